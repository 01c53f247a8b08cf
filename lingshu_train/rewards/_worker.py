"""The child process of a user's reward: loads the file, then answers every line of input with one line.

Standard library and records only, so that it starts fast.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import resource
import sys

from lingshu_train.record import Completion, Sample, Score

READY = "ready"


def plain(record: Sample | Completion | Score) -> dict[str, object]:
    """A record as JSON-ready data."""
    fields = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return {name: dict(value) if isinstance(value, dict) else value for name, value in fields.items()}


def serve(file: str, memory_mb: int) -> None:
    """The child: load the user's file, then answer every line of standard input with one line."""
    # The user's own prints must not reach the parent as replies.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    size = memory_mb << 20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    spec = importlib.util.spec_from_file_location("user_reward", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    print(READY, file=replies, flush=True)
    for line in sys.stdin:
        data = json.loads(line)
        fields, written = data["sample"], data["completion"]
        fields |= {name: tuple(fields[name]) for name in ("aliases", "images")}
        fields["turns"] = tuple(tuple(turn) for turn in fields["turns"])
        sample = Sample(**fields)
        written |= {name: tuple(written[name]) for name in ("token_ids", "log_probs")}
        completion = Completion(**written)
        found = module.score(sample, completion, data["params"])
        reply = plain(found) if isinstance(found, Score) else found
        replies.write(json.dumps(reply, allow_nan=True) + "\n")
        replies.flush()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
