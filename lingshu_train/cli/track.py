"""The verb that gives a tracker what a run left. Parses, calls, prints; decides nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import JsonValue

from lingshu_train.errors import UsageError


def track(run: Path, tracker: str, *, params: Sequence[str] = (), samples: bool = False) -> int:
    """Give a tracker what a run left, from the first line: as the recipe chose it, or with params of its own (key=value)."""
    from lingshu_train.running import sending
    from lingshu_train.trackers._choice import Chosen

    given = dict(_pair(param) for param in params)
    chosen = Chosen(name=tracker, params=given, samples=samples, wait_s=sending.PATIENCE_S)
    recorded = not given and not samples
    for line in sending.send(run, chosen, recorded=recorded, say=_say):
        print(line)
    return 0


def _pair(param: str) -> tuple[str, JsonValue]:
    key, given, value = param.partition("=")
    if not given:
        raise UsageError(f"{param}: a param is key=value")
    return key, yaml.safe_load(value)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
