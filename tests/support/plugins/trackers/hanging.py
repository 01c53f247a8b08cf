"""A tracker that never comes back, with a helper process of its own."""

from __future__ import annotations

import subprocess
import time
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
        helper = subprocess.Popen(["sleep", "600"])
        told.folder.mkdir(parents=True, exist_ok=True)
        (told.folder / "helper").write_text(str(helper.pid))

    def log(self, line: LedgerLine) -> None:
        time.sleep(600)

    def close(self, *, done: bool) -> None:
        pass
