"""The bridge from TRL's reward call to the project's rewards: scores, counts and keeps a few completions to look at."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import numpy as np
from transformers import TrainerState

from lingshu_train import dist, naming
from lingshu_train.data.corpus.withdrawn import Flags
from lingshu_train.errors import TrainingDiverged
from lingshu_train.record import Completion, Sample
from lingshu_train.rewards import _metrics
from lingshu_train.rewards._compose import Composed, Composition, Total, compose
from lingshu_train.runs import ledger, results
from lingshu_train.runs.ledger import TIMEOUTS, Ledger
from lingshu_train.runs.results import Rollout
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.grpo import risen
from lingshu_train.stages.grpo.audited import Auditing
from lingshu_train.stages.grpo.config import Config
from lingshu_train.stages.grpo.curriculum import Choosing
from lingshu_train.stages.grpo.unscored import Unscored, summed

TRUNCATED = "truncated"
"""Share of completions that no token ended; upstream's own also takes a padding token for an end."""
PROMPTS = 2
PER_PROMPT = 4
"""Of each generation window, the first completions of a few prompts drawn at random are kept to be read."""
UNUSUAL = 16
"""Answers kept of each window that were accepted by a rule which deserves a reader's eye."""

Scored = tuple[Sample, Completion, Total]
T = TypeVar("T")


class Scoring:
    """A TRL reward function: called with the completions of this rank, returns one total each; None is unscored."""

    __name__ = "total"

    def __init__(
        self,
        stage: Stage,
        config: Config,
        sample: Callable[[int], Sample],
        *,
        gone: Callable[[Sequence[int]], Flags],
        prompt: Callable[[Sample], str],
        ends: Collection[int],
    ) -> None:
        """`sample` finds a row and `gone` says which are withdrawn, `prompt` writes the text that the policy is given of it,
        one of `ends` ends a completion."""
        self._sample, self._gone, self._prompt = sample, gone, prompt
        self._seed = stage.seed
        # A time-out depends on the clock: what timed out once is marked again when its step is done again.
        known = {line["key"] for line in ledger.steps(stage.path, name=TIMEOUTS, tolerate_torn_end=True)}

        def composed(wanted: Composition, key: str) -> Composed:
            return compose(wanted, where=f"stages.{stage.name}.{key}", known_timeouts=known)

        self._rewards = composed(config.rewards, "rewards")
        self._audit = Auditing(stage, config) if config.audit else None
        fallback = config.audit.fallback if config.audit else None
        self._fallback = composed(fallback, "audit.fallback") if fallback else None
        self._timeouts = Ledger(stage.path, TIMEOUTS)
        self._limit = config.max_completion
        self._looks = config.alarms is not None
        self.choosing = Choosing(stage, config, config.curriculum) if config.curriculum else None
        self._ends = ends
        self._folder = stage.path
        self._metrics: dict[str, float] = {}
        self._unscored = Unscored(stage.path, stage.name)

    def __call__(
        self,
        *,
        completions: list[list[dict[str, str]]],
        completion_ids: list[list[int]],
        row: list[int],
        trainer_state: TrainerState,
        **_: object,
    ) -> list[float | None]:
        left = np.flatnonzero(~self._gone(row)).tolist()
        samples = [self._sample(row[place]) for place in left]
        written = [
            Completion(
                text=turn[0]["content"],
                token_ids=tuple(ids),
                finish="stop" if ids and ids[-1] in self._ends else "length",
                max_tokens=self._limit,
            )
            for turn, ids in ((completions[place], completion_ids[place]) for place in left)
        ]
        step = trainer_state.global_step + 1
        totals = self._totals(step, samples, written)
        if self.choosing:
            self.choosing.note(step, samples, totals)
        everywhere = [total for part in dist.gather(totals) for total in part]
        if dist.place().first:
            self._unscored.tell(step, everywhere)
        if all(total.value is None for total in everywhere):
            raise TrainingDiverged(f"step {step}: no completion could be scored: {summed(everywhere)}")
        truncated = [one for part in dist.gather([one.truncated for one in written]) for one in part]
        self._metrics = _named(_metrics.metrics(everywhere)) | {TRUNCATED: sum(truncated) / len(truncated)}
        self._metrics |= self._audit.columns() if self._audit else {}
        self._metrics |= risen.shares(written, totals) if self._looks else {}
        self._keep(step, list(zip(samples, written, totals, strict=True)))
        # What stands in for a withdrawn prompt is answered, and has no reward.
        found: list[float | None] = [None] * len(row)
        for place, total in zip(left, totals, strict=True):
            found[place] = total.value
        return found

    def close(self) -> None:
        """End the processes of user rewards."""
        self._rewards.close()
        if self._fallback:
            self._fallback.close()

    def _totals(self, step: int, samples: Sequence[Sample], written: Sequence[Completion]) -> list[Total]:
        """By the reward in force; by its fallback where the audit of this window says so."""
        totals = self._scored(step, samples, written)
        if self._audit and self._audit(step, list(zip(samples, written, totals, strict=True))):
            totals = self._scored(step, samples, written)
        return totals

    def _scored(self, step: int, samples: Sequence[Sample], written: Sequence[Completion]) -> list[Total]:
        fallen = self._fallback if self._audit and self._audit.fell_back else None
        totals = (fallen or self._rewards)(samples, written, gather=_everywhere)
        self._remember(step, totals)
        return totals

    def _remember(self, step: int, totals: Sequence[Total]) -> None:
        scores = [score for total in totals for score in total.scores.values()]
        for score in scores:
            if score.status == "timeout" and not score.detail.get("replayed"):
                self._timeouts.append(step, {"key": str(score.detail["key"])})

    def metrics(self) -> dict[str, float]:
        """The last window over all ranks: means of each term, rates of each status and rule, top answers' shares."""
        return dict(self._metrics)

    def _keep(self, step: int, judged: Sequence[Scored]) -> None:
        """Write the audit lines of a window, from all ranks.

        The draw hangs on seed, step and sample id alone, so neither a resume nor the number of ranks changes it.
        """
        offered = dist.gather(
            [
                *_drawn(judged, key=lambda sample: self._key(step, sample), prompts=PROMPTS),
                *[(_rule(one[2]), one) for one in judged if _metrics.unusual(one[2])],
            ]
        )
        if not dist.place().first:
            return
        lines = [line for part in offered for line in part]
        random = [one for why, one in lines if why == RANDOM]
        unusual = [(why, one) for why, one in lines if why != RANDOM]
        unusual.sort(key=lambda line: (self._key(step, line[1][0]), line[1][1].text))
        kept = [*_drawn(random, key=lambda sample: self._key(step, sample), prompts=PROMPTS, each=PER_PROMPT)]
        lines = [*kept, *unusual[:UNUSUAL]]
        results.keep(self._folder, (self._rollout(step, why, one) for why, one in lines))

    def _rollout(self, step: int, why: str, judged: Scored) -> Rollout:
        sample, completion, total = judged
        accuracy = total.scores.get("accuracy")
        return Rollout(
            **results.shown(sample),
            step=step,
            completion=completion.text,
            status=accuracy.status if accuracy else "",
            reward=total.value,
            why=why,
            prompt=self._prompt(sample),
            terms={name: score.value for name, score in total.scores.items()},
        )

    def _key(self, step: int, sample: Sample) -> str:
        return naming.digest([self._seed, step, sample.id])


RANDOM = "random"


def _everywhere(mine: list[T]) -> tuple[list[list[T]], int]:
    return dist.gather(mine), dist.place().rank


def _drawn(
    judged: Sequence[Scored], *, key: Callable[[Sample], str], prompts: int, each: int | None = None
) -> list[tuple[str, Scored]]:
    """The completions of the samples with the smallest keys, at most `each` of a sample, sample by sample."""
    groups: dict[str, list[Scored]] = {}
    for one in judged:
        groups.setdefault(key(one[0]), []).append(one)
    return [(RANDOM, one) for name in sorted(groups)[:prompts] for one in groups[name][:each]]


def _rule(total: Total) -> str:
    return str(total.scores["accuracy"].detail["rule"])


_RENAMED = (
    (re.compile(r"rewards/(\w+)/mean"), r"reward/\1"),
    (re.compile(r"rewards/accuracy/(status|rule)/(.+)"), r"\1/\2"),
)


def _named(found: dict[str, float]) -> dict[str, float]:
    """The ledger's names: reward/<term>, and status/<status> and rule/<rule> of the accuracy term."""
    return {_rename(key): value for key, value in found.items() if key != "reward/mean"}


def _rename(key: str) -> str:
    for pattern, name in _RENAMED:
        if pattern.fullmatch(key):
            return pattern.sub(name, key)
    return key
