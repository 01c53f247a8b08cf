"""The bridge from TRL's reward call to the project's rewards: scores, counts and keeps a few completions to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lingshu_train import dist
from lingshu_train.errors import TrainingDiverged
from lingshu_train.record import Completion, Sample
from lingshu_train.rewards._compose import Total, compose
from lingshu_train.runs.ledger import COMPLETIONS, Ledger
from lingshu_train.runs.stage import Stage

KEPT = 8
"""Completions kept per generation window for the report, from the first rank."""


class Scoring:
    """A TRL reward function: called with the completions of this rank, returns one total each; None is unscored."""

    __name__ = "total"

    def __init__(self, stage: Stage, config: Any, samples: Sequence[Sample], *, eos: int) -> None:
        self._samples = samples
        self._rewards = compose(config.rewards)
        self._limit = config.max_completion
        self._eos = eos
        self._kept = Ledger(stage.path, COMPLETIONS)
        self._metrics: dict[str, float] = {}

    def __call__(
        self, *, completions: list[Any], completion_ids: list[list[int]], row: list[int], trainer_state: Any, **_: Any
    ) -> list[float | None]:
        samples = [self._samples[number] for number in row]
        written = [
            Completion(
                text=turn[0]["content"],
                token_ids=tuple(ids),
                truncated=not ids or ids[-1] != self._eos,
                max_tokens=self._limit,
            )
            for turn, ids in zip(completions, completion_ids, strict=True)
        ]
        totals = self._rewards(samples, written)
        everywhere = [total for part in dist.gather(totals) for total in part]
        if all(total.value is None for total in everywhere):
            raise TrainingDiverged(f"step {trainer_state.global_step + 1}: no completion could be scored")
        self._metrics = _means(everywhere)
        if dist.place().first:
            self._keep(trainer_state.global_step + 1, samples, written, totals)
        return [total.value for total in totals]

    def metrics(self) -> dict[str, float]:
        """Means of the last window over all ranks: each term, and the share of each accuracy status."""
        return dict(self._metrics)

    def _keep(
        self, step: int, samples: Sequence[Sample], written: Sequence[Completion], totals: Sequence[Total]
    ) -> None:
        stride = max(1, len(samples) // KEPT)
        for sample, completion, total in list(zip(samples, written, totals, strict=True))[::stride][:KEPT]:
            accuracy = total.terms.get("accuracy")
            self._kept.append(
                step,
                {
                    "id": sample.id,
                    "question": sample.question,
                    "answer": sample.answer,
                    "completion": completion.text,
                    "status": accuracy.status if accuracy else "",
                    "reward": total.value,
                    "image": sample.images[0] if sample.images else "",
                },
            )


def _means(totals: Sequence[Total]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in totals[0].terms:
        values = [value for total in totals if (value := total.terms[name].value) is not None]
        if values:
            found[f"reward/{name}"] = sum(values) / len(values)
    statuses = [total.terms["accuracy"].status for total in totals if "accuracy" in total.terms]
    for status in sorted(set(statuses)):
        found[f"status/{status}"] = statuses.count(status) / len(statuses)
    found["unscored"] = float(sum(total.value is None for total in totals))
    return found
