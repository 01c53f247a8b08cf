"""Supervised fine-tuning: TRL's SFTTrainer with exact resume."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from trl import SFTConfig, SFTTrainer

from lingshu_train import dist
from lingshu_train.data.corpus import taught
from lingshu_train.data.corpus.withdrawn import Flags
from lingshu_train.kind import Facts
from lingshu_train.model import family
from lingshu_train.model.settings import Settings
from lingshu_train.runs import checkpoint, ledger
from lingshu_train.runs.ledger import Column
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.sft.config import Config
from lingshu_train.stages.sft.held_out import HeldOut
from lingshu_train.training import arguments, session
from lingshu_train.training.arranged import Arranged
from lingshu_train.training.collate import Collator
from lingshu_train.training.divergence import Guard, finite
from lingshu_train.training.exact import Exact
from lingshu_train.training.feed import Rows, num_steps
from lingshu_train.training.guarded import Batch
from lingshu_train.training.packed import Packed
from lingshu_train.training.progress import Progress


class ExactSFTTrainer(Exact, SFTTrainer):  # type: ignore[misc]
    """SFTTrainer as this project needs it; see Exact for what differs.

    Counts tokens itself: upstream starts from zero after a resume, and counts a packed row as one token.
    """

    tokens: float = 0.0
    _unreported: float = 0.0

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], torch.Tensor | int | None]:
        found: tuple[list[Batch], torch.Tensor | int | None] = super().get_batch_samples(
            epoch_iterator, num_batches, device
        )
        self._unreported += self.tokens_taken
        return found

    def training_step(
        self, model: nn.Module, inputs: Batch, num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        entropies = self._metrics["train"].get("entropy")
        if entropies and entropies[-1] == 0.0:
            # No row was left in this micro-batch on any rank: upstream counts zeros into the step's means.
            for name in ("entropy", "mean_token_accuracy"):
                self._metrics["train"][name].pop()
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        self.tokens += sum(dist.gather(self._unreported))
        self._unreported = 0.0
        super().log(logs, start_time)


def run(stage: Stage, config: Config, settings: Settings) -> Facts:
    """Train, resuming from the newest whole checkpoint, and write `model/` and `ledger.jsonl`."""
    return train(stage, config, settings)


def train(stage: Stage, config: Config, wanted: Settings) -> Facts:
    """Run one supervised stage to its end. `config` is a stages.sft.Config."""
    rows = _rows(stage, config, wanted)
    per_step = config.per_device_batch * config.accumulation * stage.named_world
    accumulation = config.micro_steps(stage.named_world, dist.place().world_size)
    items = _items(stage, config, rows, per_step=per_step)
    steps = num_steps(steps=config.steps, items=items.items(config.epochs or 0), per_step=per_step)
    items.cover(steps * per_step)
    # The arguments come first: under ZeRO-3 they decide how the model is loaded.
    options = arguments.shared(stage, config, wanted, steps=steps, accumulation=accumulation)
    args = SFTConfig(**options, max_length=None, dataset_kwargs={"skip_prepare_dataset": True})
    model, text = session.open_model(stage, config.base, wanted, config.train)

    resume, set_aside = session.resume_point(stage)
    start = checkpoint.step_of(resume) if resume else 0
    tokens = session.rewind(stage, resume, set_aside)

    trainer = ExactSFTTrainer(
        model=model,
        args=args,
        train_dataset=items.dataset(system=wanted.system_prompt, whole=True),
        processing_class=text,
        peft_config=session.adapter(stage, config, model),
        data_collator=Collator(
            processor=text,
            packing=config.together,
            stored=rows.stored,
            family=family.of(wanted.family),
            model=model,
            counts=True,
        ),
    )
    trainer.meter = session.meter(trainer, config, wanted)
    trainer.begin(
        session.run_of(stage, config, row=items.row, items_per_step=per_step, resume=resume, steps=steps)
    )

    def named(step: int) -> list[str]:
        return rows.names(items.rows((step - 1) * per_step, step * per_step))

    def gone(step: int) -> Flags:
        return rows.gone(items.rows((step - 1) * per_step, step * per_step))

    guard = trainer.guard = Guard(
        stage.path, most=config.most_left_out, rows=named, gone=gone if rows.withdrawn else None
    )
    trainer.tokens = tokens
    watched = HeldOut(stage, config, wanted=wanted, text=text, model=model) if config.watch else None

    def extra(step: int) -> dict[str, Column]:
        seen = items.rows((step - 1) * per_step, step * per_step)
        columns: dict[str, Column] = {
            "epoch": items.epoch(step * per_step),
            "samples": rows.digest(seen),
            "tokens": trainer.tokens,
        }
        return finite(
            {**columns, **(watched.measure(trainer, step) if watched else {}), **guard.columns(step)}
        )

    progress = Progress(
        ledger.Ledger(stage.path),
        title=stage.name,
        window=1,
        extra=extra,
        minutes=config.save_every_minutes,
        meter=trainer.meter,
    )
    progress.resume_tokens(tokens)
    session.fit(trainer, progress, resume)
    session.save(trainer, text, config, wanted)
    summary = session.summary(trainer, config, rows=rows, set_aside=set_aside, resumed_at=start)
    return {**summary, **_told(stage, items, rows, watched, guard), **session.origin(config.base, wanted)}


def _told(stage: Stage, items: Packed | Arranged, rows: Rows, watched: HeldOut | None, guard: Guard) -> Facts:
    """Of a stage's results what its rows, its watching and its guard have to say."""
    packs = {"packs": len(items), "fill": items.fill} if isinstance(items, Packed) else {}
    seen = {"watched": watched.facts()} if watched else {}
    told = {taught.FACT: taught.facts(rows.taught())}
    lost = {**guard.facts(), "warnings": guard.warnings(stage.name)} if guard.facts() else {}
    return {**told, **packs, **seen, **lost}


def _rows(stage: Stage, config: Config, wanted: Settings) -> Rows:
    return Rows(
        stage,
        config.data,
        source=session.source(stage, config.base, wanted),
        wanted=wanted,
        limit=config.limit,
        late=config.consented_late,
    )


def _items(stage: Stage, config: Config, rows: Rows, *, per_step: int) -> Packed | Arranged:
    if config.packs:
        return Packed(
            rows, stage.path, tokens=config.max_length, patches=config.max_patches, per_step=per_step
        )
    return Arranged(rows, per_batch=config.per_device_batch, per_step=per_step, together=config.together)
