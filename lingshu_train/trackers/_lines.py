"""A ledger read while it is being written: whole lines only, and told when it was taken back to a checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from pydantic import JsonValue

from lingshu_train.errors import DataError
from lingshu_train.runs import ledger
from lingshu_train.trackers._tracker import LedgerLine, Shown

LARGEST = 1 << 22
"""Bytes read at once, so that a long ledger is not held whole."""

PER_STEP = 8
"""Completions shown of one step."""


class Tail:
    """The lines of a JSONL file that grows, and may be replaced by a shorter one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: IO[bytes] | None = None
        self._rest = b""

    def read(self) -> list[dict[str, JsonValue]] | None:
        """Whole lines added since the last call; None, once, when the file was replaced: what was read counts no more."""
        if self._replaced():
            self.close()
            return None
        if self._stream is None:
            if not self._path.is_file():
                return []
            self._stream = self._path.open("rb")
        *whole, self._rest = (self._rest + self._stream.read(LARGEST)).split(b"\n")
        return [self._parsed(line) for line in whole]

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream, self._rest = None, b""

    def _replaced(self) -> bool:
        """A ledger is taken back by renaming a new file over it (runs/files.py), so another inode stands there."""
        if self._stream is None or not self._path.is_file():
            return False
        here, read = os.stat(self._path), os.fstat(self._stream.fileno())
        return here.st_ino != read.st_ino or here.st_size < self._stream.tell()

    def _parsed(self, line: bytes) -> dict[str, JsonValue]:
        try:
            found: dict[str, JsonValue] = json.loads(line)
            if not isinstance(found, dict):
                raise ValueError
        except (ValueError, RecursionError):
            raise DataError(
                f"{self._path}: a whole line is not JSON; something else changed the file"
            ) from None
        return found


class Lines:
    """The steps of a stage's ledger as a tracker takes them, with kept completions where `image` is given.

    `image` gives the encoded file of a picture by its digest, None where it is not kept.
    """

    def __init__(self, stage_folder: Path, *, image: Callable[[str], bytes | None] | None = None) -> None:
        self._ledger = Tail(stage_folder / ledger.NAME)
        self._kept = Tail(stage_folder / ledger.COMPLETIONS)
        self._image = image
        self._seconds = 0.0
        self._waiting: list[dict[str, JsonValue]] = []

    def read(self) -> list[LedgerLine] | None:
        """Steps added since the last call; None, once, when the ledger was taken back."""
        found = self._ledger.read()
        if found is None:
            self._kept.close()
            self._seconds, self._waiting = 0.0, []
            return None
        if found and self._image:
            self._gather()
        return [self._line(line) for line in found]

    def _gather(self) -> None:
        """The completions written so far: those of a step stand there before its line does."""
        while (kept := self._kept.read()) != []:
            # They are taken back with the ledger, a moment after it.
            self._waiting = [] if kept is None else self._waiting + kept

    def _line(self, line: Mapping[str, JsonValue]) -> LedgerLine:
        values = dict(numbers(line))
        self._seconds += values.get("seconds", 0.0)
        step = int(values.pop("step"))
        return LedgerLine(step=step, seconds=self._seconds, values=values, shown=tuple(self._shown(step)))

    def _shown(self, step: int) -> Iterator[Shown]:
        here = [one for one in self._waiting if number(one.get("step")) == step]
        self._waiting = [one for one in self._waiting if (number(one.get("step")) or 0) > step]
        for one in here[:PER_STEP]:
            image = str(one.get("image") or "")
            yield Shown(
                question=str(one.get("question", "")),
                answer=str(one.get("answer", "")),
                completion=str(one.get("completion", "")),
                status=str(one.get("status", "")),
                reward=number(one.get("reward")),
                image=self._image(image) if image and self._image else None,
            )


def numbers(line: Mapping[str, JsonValue]) -> Iterator[tuple[str, float]]:
    """The numbers of a line. Its texts (a digest of sample ids, an alarm) stay here."""
    for key, value in line.items():
        found = number(value)
        if found is not None:
            yield key, found


def number(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
