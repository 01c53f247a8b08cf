"""Loss and token accuracy on held-out rows while a model is fine-tuned: no gradient, no random number, no loader."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import ProcessorMixin

from lingshu_train import dist
from lingshu_train.data.order.mix import Mix
from lingshu_train.errors import RecipeError
from lingshu_train.kind import Facts
from lingshu_train.model import family
from lingshu_train.model.settings import Settings
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.sft.config import Config
from lingshu_train.training import session
from lingshu_train.training.collate import IGNORED, Collator
from lingshu_train.training.config import Watched
from lingshu_train.training.exact import Exact
from lingshu_train.training.feed import Rows
from lingshu_train.training.guarded import Batch
from lingshu_train.training.limit import Limit

LOSS = "held_out/loss"
TOKEN_ACCURACY = "held_out/token_accuracy"


@dataclass(frozen=True, slots=True)
class _Row:
    """What the model made of a row's completion: summed loss in nats, tokens, and how many of them it thought likeliest."""

    loss: float
    tokens: int
    right: int


class HeldOut:
    """Measures the rows of the `watch` block, which `config` has. Rows too long for the stage are left out and counted."""

    def __init__(
        self, stage: Stage, config: Config, *, wanted: Settings, text: ProcessorMixin, model: nn.Module
    ) -> None:
        watch = config.watch
        assert watch is not None
        self._watch, self._system = watch, wanted.system_prompt
        self._rows = _rows(stage, config, watch, wanted)
        drawn = [self._rows.row(n) for n in range(min(watch.samples, len(self._rows)))]
        self._chosen = [row for row, gone in zip(drawn, self._rows.gone(drawn), strict=True) if not gone]
        self._collate = Collator(
            processor=text,
            packing=False,
            stored=self._rows.stored,
            family=family.of(wanted.family),
            model=model,
        )

    def measure(self, trainer: Exact, step: int) -> dict[str, float]:
        """Columns of this step's ledger line, none where it is not one to measure at. Called on every rank.

        Means over all completion tokens of the chosen rows, as the loss of training is.
        """
        if not self._watch.due(step, last=trainer.run.steps) or not self._chosen:
            return {}
        here = dist.place()
        with _still(trainer.model), torch.no_grad():
            mine = [row for batch in self._batches() for row in self._measured(trainer, batch)]
        parts = dist.gather(mine)
        # In one order whatever the number of ranks, and summed without rounding.
        rows = [parts[n % here.world_size][n // here.world_size] for n in range(len(self._chosen))]
        tokens = sum(row.tokens for row in rows)
        return {
            LOSS: math.fsum(row.loss for row in rows) / tokens,
            TOKEN_ACCURACY: sum(row.right for row in rows) / tokens,
        }

    def facts(self) -> Facts:
        """What the manifest says of it."""
        return {"rows": len(self._chosen), "left_out_as_too_long": self._rows.left_out}

    def _batches(self) -> Iterator[Sequence[int]]:
        """This rank's rows, in as many batches as any rank has: under ZeRO-3 none may stop asking for its share of weights."""
        here, size = dist.place(), self._watch.per_device_batch
        mine = self._chosen[here.rank :: here.world_size]
        most = math.ceil(len(self._chosen) / here.world_size)
        for start in range(0, most, size):
            yield mine[start : start + size]

    def _measured(self, trainer: Exact, numbers: Sequence[int]) -> list[_Row]:
        # A rank whose rows are through goes along with a row that counts for nothing.
        columns = self._rows.columns(numbers or self._chosen[:1], system=self._system, whole=True)
        items = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        batch: Batch = trainer._prepare_inputs(self._collate(items))
        targets = batch.pop("labels")[:, 1:]
        with trainer.compute_loss_context_manager():
            logits = trainer.model(**batch, use_cache=False).logits[:, :-1]
        asked = targets != IGNORED
        found, wanted = logits[asked].float(), targets[asked]
        losses = cross_entropy(found, wanted, reduction="none").double()
        right = found.argmax(dim=-1) == wanted
        measured, start = [], 0
        for count in asked.sum(dim=1).tolist():
            row = slice(start, start + count)
            measured.append(_Row(float(losses[row].sum()), count, int(right[row].sum())))
            start += count
        return measured[: len(numbers)]


def _rows(stage: Stage, config: Config, watch: Watched, wanted: Settings) -> Rows:
    try:
        return Rows(
            stage,
            [Mix(corpus=watch.corpus, split=watch.split, tasks=watch.tasks)],
            source=session.source(stage, config.base, wanted),
            wanted=wanted,
            limit=Limit(tokens=config.max_length, completion=True, most=1.0),
        )
    except RecipeError as fault:
        reason = str(fault).removeprefix(f"stages.{stage.name}.data.0: ")
        raise RecipeError(f"stages.{stage.name}.watch: {reason}") from None


@contextmanager
def _still(model: nn.Module) -> Iterator[None]:
    """Without dropout; afterwards every module is in the mode it was in."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
