"""ledger.jsonl: one line per optimizer step, and nothing beyond the step the weights are at."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lingshu_train.documents import read_text, there
from lingshu_train.errors import DataError
from lingshu_train.runs import manifest
from lingshu_train.runs.files import write_text

NAME = "ledger.jsonl"
COMPLETIONS = "completions.jsonl"
TIMEOUTS = "timeouts.jsonl"
CHANGED = "the file was changed by something else"
Column = float | int | str | None
"""A value of a ledger line."""
TIMING = ("seconds", "tokens_per_second")
"""Keys that depend on the machine and the moment; every other key replays exactly."""


class Ledger:
    """Appends lines that carry a step, each flushed to disk, so that a killed run keeps what it did."""

    def __init__(self, folder: Path, name: str = NAME) -> None:
        self.path = folder / name

    def append(self, step: int, values: Mapping[str, Column]) -> None:
        line = json.dumps({"step": step, **values}, sort_keys=True, ensure_ascii=False)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def rewind(self, step: int) -> None:
        """Drop every line after `step`, half-written ones too: those steps will be done again."""
        found = steps(self.path.parent, name=self.path.name, tolerate_torn_end=True)
        kept = [line for line in found if line["step"] <= step]
        text = "".join(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n" for line in kept)
        write_text(self.path, text)


def steps(folder: Path, *, name: str = NAME, tolerate_torn_end: bool = False) -> list[dict[str, Any]]:
    """The lines of a stage's ledger (or its completions), in step order; empty where the stage keeps none.

    The last line may be half written where that is tolerated and the stage has not finished. DataError names the line that
    is not one of ours.
    """
    path = folder / name
    unfinished = not there(folder / manifest.NAME)
    if not there(path) and not unfinished and name in manifest.read(folder).files:
        raise DataError(f"{path}: is missing, and the stage that has finished wrote one")
    found = lines(path, tolerate_torn_end=tolerate_torn_end and unfinished)
    for number, line in enumerate(found, 1):
        if type(line.get("step")) is not int:
            raise DataError(f"{path}:{number}: has no step; {CHANGED}")
    return found


def lines(path: Path, *, tolerate_torn_end: bool = False) -> list[dict[str, Any]]:
    """The objects of a file of lines; none where it is not there. DataError names the line that is none."""
    if not there(path):
        return []
    # Not splitlines: a text may hold a line separator of Unicode's, and JSON leaves it as it is.
    text = read_text(path)
    written = text.removesuffix("\n").split("\n") if text else []
    found: list[dict[str, Any]] = []
    for number, line in enumerate(written, 1):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            if number == len(written) and tolerate_torn_end:
                break
            raise DataError(f"{path}:{number}: not JSON; {CHANGED}") from None
        if not isinstance(values, dict):
            raise DataError(f"{path}:{number}: no JSON object; {CHANGED}")
        found.append(values)
    return found


def replayable(line: dict[str, Any]) -> dict[str, Any]:
    """A ledger line without its timings: what two runs of the same stage must agree on bit for bit."""
    return {key: value for key, value in line.items() if key not in TIMING}
