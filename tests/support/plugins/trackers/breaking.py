"""A tracker whose package fails at the third step."""

from __future__ import annotations

from pathlib import Path

from lingshu_train.schema import Strict
from lingshu_train.trackers._tracker import LedgerLine, Told

PACKAGE = "json"


class Params(Strict):
    pass


def environment(params: Params, folder: Path) -> dict[str, str | None]:
    return {}


class start:
    after = 0

    def __init__(self, params: Params, told: Told) -> None:
        pass

    def log(self, line: LedgerLine) -> None:
        if line.step == 3:
            raise ConnectionError("the server hung up.")

    def close(self, *, done: bool) -> None:
        pass
