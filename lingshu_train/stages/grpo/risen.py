"""The alarms of a GRPO stage on what its completions look like: the shares of each window, and a line where one has risen."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lingshu_train import dist
from lingshu_train.auditing.alarms import RULE, STREAMS
from lingshu_train.record import Completion
from lingshu_train.rewards import _metrics
from lingshu_train.rewards._compose import Total
from lingshu_train.rewards.repetition import repeated_share
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.grpo.config import Config

PREFIX = "alarm/"
SHARE = "shares/"
_RUN, _HALF = 4, 0.5
"""A completion repeats itself where so large a part of its runs of so many tokens stood in it before."""


class Risen:
    """Reads what the ledger has of earlier windows, so that a resume goes on as it was."""

    def __init__(self, stage: Stage, config: Config) -> None:
        self._block, self._window, self._title = config.alarms, config.window, stage.name
        lines = ledger.steps(stage.path) if self._block else []
        self._shares = [self._of(line) for line in lines if (line["step"] - 1) % self._window == 0]
        self._told = {name for line in lines for name in _names(line, PREFIX)}

    def columns(self, step: int, found: Mapping[str, Any]) -> dict[str, str]:
        """Columns of a step's ledger line, which has the columns `found` too: an alarm the first time that there is one."""
        if self._block is None or (step - 1) % self._window:
            return {}
        self._shares.append(self._of(found))
        new = {name: line for name, line in self._block.told(self._shares).items() if name not in self._told}
        self._told |= set(new)
        for line in new.values() if dist.place().first else ():
            sys.stderr.write(f"lingshu: {self._title}: step {step}: {line}\n")
        return {PREFIX + name: line for name, line in new.items()}

    def _of(self, line: Mapping[str, Any]) -> dict[str, float]:
        return {
            name: line[SHARE + name] for name in _names(line, SHARE) if line.get(SHARE + name) is not None
        }


def shares(written: Sequence[Completion], totals: Sequence[Total]) -> dict[str, float]:
    """Of a window, over all ranks: the columns that alarms look at, as far as its rewards tell them."""
    here = [
        (
            len(one.token_ids) / one.max_tokens,
            repeated_share(one.token_ids, _RUN) > _HALF,
            one.truncated,
        )
        for one in written
    ]
    lines = [line for part in dist.gather(here) for line in part]
    everywhere = [total for part in dist.gather(list(totals)) for total in part]
    length, repeats, truncated = (sum(column) / len(lines) for column in zip(*lines, strict=True))
    found = {"length": length, "repeats": repeats, "truncated": truncated}
    form = [total.scores["format"].status for total in everywhere if "format" in total.scores]
    if form:
        found["unformatted"] = 1 - form.count("formatted") / len(form)
    right = [total for total in everywhere if total.scores and _accepted(total)]
    if right:
        found["unusual_rules"] = sum(map(_metrics.unusual, right)) / len(right)
        counted = Counter(str(total.scores["accuracy"].detail.get("rule", "")) for total in right)
        found |= {RULE + rule: count / len(right) for rule, count in sorted(counted.items())}
    tops = _metrics.top_shares(everywhere)
    if tops:
        found["top_answer"] = max(tops.values())
    return {SHARE + name: value for name, value in found.items()}


def _accepted(total: Total) -> bool:
    score = total.scores.get("accuracy")
    return score is not None and score.status == "right"


def warnings(stage: Stage) -> list[str]:
    """The alarms of a stage's ledger, for its manifest."""
    return [
        f"{stage.name}: step {line['step']}: {line[PREFIX + name]}"
        for line in ledger.steps(stage.path)
        for name in _names(line, PREFIX)
    ]


def _names(line: Mapping[str, Any], prefix: str) -> list[str]:
    """The shares that a ledger line tells of, in the order of STREAMS, rules last."""
    found = [name.removeprefix(prefix) for name in line if name.startswith(prefix)]
    return [
        *(name for name in STREAMS if name in found),
        *sorted(name for name in found if name.startswith(RULE)),
    ]
