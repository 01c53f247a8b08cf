"""The process of a user's reward: loads the file, then answers every line of input with one line.

Standard library and records only, so that it starts fast.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import resource
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import IO

from lingshu_train.record import Completion, Sample, Score
from lingshu_train.rewards._supervise import supervise
from lingshu_train.rewards._values import INVALID, score_of, shown

READY = "ready"
RAISED = "raised"
"""Status of a call that raised; the process goes on."""
_LONGEST = 1 << 16
"""Characters of a reply; a longer one loses its detail."""


def plain(record: Sample | Completion | Score) -> dict[str, object]:
    """A record as JSON-ready data."""
    fields = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return {name: dict(value) if isinstance(value, dict) else value for name, value in fields.items()}


def serve(file: str, memory_mb: int) -> None:
    """Load the user's file, then answer every line of standard input with one line."""
    # The user's own prints must not reach the parent as replies.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    size = memory_mb << 20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        score = _load(file)
    except (Exception, SystemExit) as fault:  # noqa: BLE001 - a stranger's code
        _say(replies, {RAISED: told(fault, file)})
        return
    _say(replies, READY)
    for line in sys.stdin:
        try:
            found = score_of(score(*_call(line)))
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - a stranger's code
            found = Score(value=None, status=RAISED, detail={"why": told(fault, file)})
        _say(replies, _reply(found))


def told(fault: BaseException, file: str) -> str:
    """What a user's code raised, on one line: type, message, and the place in their own file nearest to it."""
    frames = traceback.extract_tb(fault.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent == Path(file).parent]
    where = (own or frames)[-1:]
    place = f" ({Path(where[0].filename).name}:{where[0].lineno})" if where else ""
    try:
        message = str(fault)
    except Exception as second:  # noqa: BLE001 - a stranger's exception
        message = shown(second)
    line = " ".join(message.encode("utf-8", "replace").decode().split())
    return f"{type(fault).__name__}: {line[:240]}{place}"


def _load(file: str):  # type: ignore[no-untyped-def]
    spec = importlib.util.spec_from_file_location("user_reward", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.score


def _call(line: str) -> tuple[Sample, Completion, dict[str, object]]:
    data = json.loads(line)
    fields, written = data["sample"], data["completion"]
    fields |= {name: tuple(fields[name]) for name in ("aliases", "images")}
    fields["turns"] = tuple(tuple(turn) for turn in fields["turns"])
    written |= {name: tuple(written[name]) for name in ("token_ids", "log_probs")}
    return Sample(**fields), Completion(**written), data["params"]


def _reply(score: Score) -> dict[str, object]:
    """What JSON can hold of a score: a detail that it cannot is shown as text, one that is too long is left out."""
    found = plain(score)
    try:
        if len(json.dumps(found, default=shown)) <= _LONGEST:
            return found
    except (TypeError, ValueError, RecursionError):
        return {"value": None, "status": INVALID, "detail": {"why": f"its detail: {shown(score.detail)}"}}
    return {**found, "detail": {}}


def _say(replies: IO[str], reply: object) -> None:
    replies.write(json.dumps(reply, default=shown) + "\n")
    replies.flush()


if __name__ == "__main__":
    sys.exit(supervise(partial(serve, sys.argv[1], int(sys.argv[2]))))
