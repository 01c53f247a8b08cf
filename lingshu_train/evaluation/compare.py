"""Two models on the same questions: did the reward that one was trained on rise alone?"""

from __future__ import annotations

from collections.abc import Mapping

from lingshu_train.rewards import _metrics
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage


def alarm(trained: Stage, accuracy: Mapping[str, float]) -> str | None:
    """A warning where a stage's reward rose and held-out accuracy did not: the reward may have been hacked.

    `accuracy` is that of every evaluated stage. None where the stage was trained on no reward, or what it started from was
    not evaluated.
    """
    before = accuracy.get(trained.about.starts_from)
    rewards = [float(line["reward"]) for line in ledger.steps(trained.path) if "reward" in line]
    if before is None or not rewards:
        return None
    line = _metrics.alarm(rewards, [before, accuracy[trained.name]], window=_metrics.span(rewards))
    return f"{trained.name}: {line}" if line else None
