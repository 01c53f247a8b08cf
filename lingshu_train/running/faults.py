"""What ended a stage, as one line and an exit code: a rank leaves it in the stage's folder, and the launcher passes it on."""

from __future__ import annotations

import json
import re
import sys
from contextlib import suppress

from lingshu_train import dist
from lingshu_train.errors import LingshuError
from lingshu_train.runs.files import write_json
from lingshu_train.runs.stage import Stage

NAME = "error.json"
"""Where it lies, because launchers of several processes lose both."""


LOST = re.compile(
    r"(?:closed|reset) by peer|broken pipe|timed out|time-?out|connection (?:refused|was likely closed)|remote process exited"
    r"|network error",
    re.IGNORECASE,
)
"""How gloo, nccl and torch's store say that another process, or its machine, no longer answers."""
SPEAKS = ("gloo", "nccl", "tcpstore", "socket", "distbackend", "diststore", "distnetwork")


class StageFailed(LingshuError):
    """A stage ended with a fault it already reported; carries its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def lost(fault: Exception) -> str:
    """The first line of an exchange that failed because another rank is gone; empty for any other fault."""
    line = str(fault).strip().partition("\n")[0]
    told = f"{type(fault).__name__} {line}".lower()
    ours = isinstance(fault, RuntimeError) and any(word in told for word in SPEAKS) and LOST.search(line)
    return re.sub(r"^\[\S+\]\s*", "", line)[:200] if ours else ""


def first(stage: Stage, fault: LingshuError, *, loud: bool = True) -> None:
    """Leave a fault where no rank has left one yet: several ranks may meet the same, or fail because one has."""
    if (stage.path / NAME).exists():
        return
    if loud:
        sys.stderr.write(f"lingshu: {fault}\n")
        sys.stderr.flush()
    leave(stage, fault)


def leave(stage: Stage, fault: LingshuError) -> None:
    """On a full disk the exit code and the line on standard error are all that the launcher has."""
    with suppress(LingshuError):
        write_json(
            stage.path / NAME,
            {"message": str(fault), "exit_code": fault.exit_code, "rank": dist.place().rank},
        )


def reported(stage: Stage) -> StageFailed | None:
    """The fault that was left, if any."""
    target = stage.path / NAME
    if not target.is_file():
        return None
    data = json.loads(target.read_text(encoding="utf-8"))
    return StageFailed(str(data["message"]), int(data["exit_code"]))
