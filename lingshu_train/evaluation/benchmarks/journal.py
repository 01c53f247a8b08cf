"""Answers as they come, a line each, so that nothing is asked twice: after a kill the next run goes on behind the last line.

In memory stands where each answer lies, not what it says.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from lingshu_train.documents import decoded
from lingshu_train.errors import DataError
from lingshu_train.naming import canonical
from lingshu_train.record import Completion

_KEPT = ("text", "token_ids", "finish", "max_tokens", "seed", "prompt")


class Journal:
    """The answers of one model to one benchmark, by the key of what was asked. A context manager.

    `beside`: other files of answers that count as well, such as those of ranks of an earlier start; they are only read.
    """

    def __init__(self, path: Path, beside: Iterable[Path] = ()) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn(path)
        self._files = [path, *(one for one in beside if one != path)]
        self._found: dict[bytes, tuple[int, int]] = {}
        for number, one in reversed(list(enumerate(self._files))):
            self._found |= {key: (number, place) for key, place in _read(one)}
        self._stream = path.open("ab")
        self._readers = [one.open("rb") if one.is_file() else None for one in self._files]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self._stream, *self._readers):
            if stream is not None:
                stream.close()

    def __contains__(self, key: str) -> bool:
        return _short(key) in self._found

    def __getitem__(self, key: str) -> Completion:
        number, place = self._found[_short(key)]
        reader = self._readers[number]
        assert reader is not None
        reader.seek(place)
        return _completion(json.loads(reader.readline()))

    def extend(self, answers: Iterable[tuple[str, Completion]]) -> None:
        """Keep answers, whole or none of them unless the machine itself fails; on disk before others are waited for."""
        place = self._stream.tell()
        lines = []
        for key, completion in answers:
            fields = {name: value for name, value in asdict(completion).items() if name in _KEPT}
            line = (canonical({"key": key, **fields}) + "\n").encode()
            self._found[_short(key)] = (0, place)
            place += len(line)
            lines.append(line)
        self._stream.write(b"".join(lines))
        self._stream.flush()
        os.fsync(self._stream.fileno())


def _short(key: str) -> bytes:
    return key.encode()


def _cut_torn(path: Path) -> None:
    """A line that a kill left half written is cut off, so that the next begins at a line's start."""
    if not path.is_file():
        return
    with path.open("r+b") as stream:
        whole = 0
        for line in stream:
            whole += len(line) if line.endswith(b"\n") else 0
        stream.truncate(whole)


def _read(path: Path) -> Iterator[tuple[bytes, int]]:
    """Keys of the whole lines, each with the byte at which its line begins."""
    if not path.is_file():
        return
    place = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.endswith(b"\n"):
                return
            data = decoded(line.decode("utf-8", "replace"), where=f"{path}:{number}")
            if not isinstance(data, dict) or "key" not in data or "text" not in data:
                raise DataError(
                    f"{path}:{number}: not an answer of an evaluation; move the file away to ask anew"
                )
            yield _short(str(data["key"])), place
            place += len(line)


def _completion(data: dict[str, object]) -> Completion:
    kept = json.loads(json.dumps({name: data[name] for name in _KEPT if name in data}))
    kept["token_ids"] = tuple(kept.get("token_ids", ()))
    return Completion(cached=True, **kept)
