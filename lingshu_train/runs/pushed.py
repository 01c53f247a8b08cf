"""What of a stage was sent to a hub, remembered beside it: pushed.jsonl, one line a push that was read back and compared."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from lingshu_train.errors import DataError
from lingshu_train.runs import ledger
from lingshu_train.runs.files import failure
from lingshu_train.schema import Strict, parse

NAME = "pushed.jsonl"


class Pushed(Strict):
    """One push: where to, at which commit, and of what content (the stage's hash). `at` is UTC."""

    repo: str
    url: str
    commit: str
    revision: str
    content: str
    at: str


def remember(folder: Path, *, repo: str, url: str, commit: str, revision: str, content: str) -> None:
    """Add a line to the stage's record of pushes, forced to disk. OutputFailed or CannotCreate: it cannot be written."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = Pushed(repo=repo, url=url, commit=commit, revision=revision, content=content, at=at)
    path = folder / NAME
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line.model_dump(mode="json"), sort_keys=True) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as fault:
        raise failure(path, fault, instead="the push itself has arrived") from None


def read(folder: Path) -> list[Pushed]:
    """The pushes of a stage, oldest first; none where there is no record. DataError names the line that is not one of ours."""
    path = folder / NAME
    lines = ledger.lines(path, tolerate_torn_end=True)
    return [
        parse(Pushed, line, where=f"{path}:{number}:", error=DataError)
        for number, line in enumerate(lines, 1)
    ]
