"""Held-out accuracy of the policy while it is trained, and the alarm where the reward rises without it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from transformers import ProcessorMixin
from trl import GRPOTrainer

from lingshu_train import dist, evaluation, naming
from lingshu_train.data.corpus import corpus, withdrawn
from lingshu_train.errors import DataError
from lingshu_train.evaluation import Asking
from lingshu_train.model import load
from lingshu_train.model.settings import Settings
from lingshu_train.record import Judged, Sample, Sampling
from lingshu_train.rewards import _metrics
from lingshu_train.rollouts._generating import Transformers
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.grpo.config import Config
from lingshu_train.stages.grpo.served import Rollouts
from lingshu_train.stages.grpo.windows import whole

ACCURACY = "held_out/accuracy"
ALARM = "alarm"


class HeldOut:
    """Measures at window borders and reads the ledger for what was measured before, so that a resume goes on as it was.

    `config` has a `watch` block.
    """

    def __init__(
        self, stage: Stage, config: Config, *, wanted: Settings, text: ProcessorMixin, ends: Sequence[int]
    ) -> None:
        watch = config.watch
        assert watch is not None
        found = corpus.load(stage.parent(watch.corpus) / "corpus", split=watch.split, tasks=watch.tasks)
        self._corpus = withdrawn.left(stage, watch.corpus, found)
        self.samples = chosen(self._corpus.samples, count=watch.samples, seed=stage.seed)
        if not self.samples:
            raise DataError(
                f"stages.{stage.name}.watch: no question of corpus {watch.corpus!r}, split {watch.split!r}, that a rule "
                "can judge; name other tasks"
            )
        self._stage, self._watch, self._text = stage, watch, text
        self._ends = ends
        self._rollouts: Rollouts | None = None
        self._asking = Asking(
            sampling=Sampling(max_tokens=config.max_completion, seed=stage.seed), system=wanted.system_prompt
        )

    def through(self, rollouts: Rollouts | None) -> None:
        """Ask servers from now on, where there are any."""
        self._rollouts = rollouts

    def measure(self, trainer: GRPOTrainer, step: int) -> dict[str, float | str]:
        """Columns of this step's ledger line: none, the accuracy, or the accuracy and an alarm. Called on every rank."""
        if not self._watch.due(step, last=trainer.run.steps):
            return {}
        accuracy = evaluation.accuracy(self._answers(trainer))
        line = self._alarm(step, accuracy) if dist.place().first else None
        if line:
            sys.stderr.write(f"lingshu: {self._stage.name}: step {step}: {line}\n")
        return {ACCURACY: accuracy} | ({ALARM: line} if line else {})

    def _answers(self, trainer: GRPOTrainer) -> tuple[Judged, ...]:
        if self._rollouts is not None:
            self._rollouts.renew(trainer)
            found = evaluation.evaluate(self._rollouts.served, self.samples, self._corpus.image, self._asking)
            self._rollouts.rest()
            return found
        with whole(trainer) as model:
            engine = Transformers(
                model,
                self._text,
                batch=self._watch.per_device_batch,
                ends=self._ends,
                never=load.never(self._text),
            )
            return evaluation.evaluate(engine, self.samples, self._corpus.image, self._asking)

    def _alarm(self, step: int, accuracy: float) -> str | None:
        """The alarm over the last generation windows and the accuracies measured in them."""
        lines = [line for line in ledger.steps(self._stage.path) if line["step"] < step]
        rewards = [(line["step"], line["reward"]) for line in lines if "reward" in line]
        values = [reward for _, reward in rewards]
        window = _metrics.span(values)
        since = rewards[-2 * window][0] if window else 0
        measured = [line[ACCURACY] for line in lines if ACCURACY in line and line["step"] >= since]
        return _metrics.alarm(values, [*measured, accuracy], window=window)


def chosen(samples: Sequence[Sample], *, count: int, seed: int) -> list[Sample]:
    """`count` samples that a rule can judge: those whose hashes of seed and id are smallest, whatever their order."""
    return sorted(evaluation.judgeable(samples), key=lambda sample: naming.digest([seed, sample.id]))[:count]


def warnings(stage: Stage) -> list[str]:
    """The alarms of a stage's ledger, for its manifest."""
    return [
        f"{stage.name}: step {line['step']}: {line[ALARM]}"
        for line in ledger.steps(stage.path)
        if ALARM in line
    ]
