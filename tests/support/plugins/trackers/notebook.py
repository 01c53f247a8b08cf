"""A tracker in one file: a line of text for each step, below the run's folder."""

from __future__ import annotations

from pathlib import Path

from lingshu_train.schema import Strict
from lingshu_train.trackers._tracker import LedgerLine, Told

PACKAGE = "json"


class Params(Strict):
    digits: int = 3
    """Digits of a number."""


def environment(params: Params, folder: Path) -> dict[str, str | None]:
    return {}


class start:
    after = 0

    def __init__(self, params: Params, told: Told) -> None:
        told.folder.mkdir(parents=True, exist_ok=True)
        self._params = params
        self._path = told.folder / f"{told.name}.txt"
        self._path.write_text(f"{told.group}\n")

    def log(self, line: LedgerLine) -> None:
        with self._path.open("a") as stream:
            stream.write(f"{line.step} {line.values.get('loss', 0.0):.{self._params.digits}f}\n")

    def close(self, *, done: bool) -> None:
        with self._path.open("a") as stream:
            stream.write("done\n" if done else "stopped\n")
