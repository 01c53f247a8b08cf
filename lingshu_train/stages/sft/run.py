"""Supervised fine-tuning: TRL's SFTTrainer with exact resume."""

from __future__ import annotations

import torch
from torch import nn
from trl import SFTConfig, SFTTrainer

from lingshu_train import dist
from lingshu_train.kind import Facts
from lingshu_train.model import family
from lingshu_train.model.settings import Settings
from lingshu_train.runs import checkpoint, ledger
from lingshu_train.runs.ledger import Column
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.sft.config import Config
from lingshu_train.stages.sft.held_out import HeldOut
from lingshu_train.training import arguments, session
from lingshu_train.training.collate import Collator
from lingshu_train.training.exact import Batch, Exact
from lingshu_train.training.feed import Limit, Rows, num_steps
from lingshu_train.training.packed import Packed
from lingshu_train.training.progress import Progress


class ExactSFTTrainer(Exact, SFTTrainer):  # type: ignore[misc]
    """SFTTrainer as this project needs it; see Exact for what differs.

    Counts tokens itself: upstream starts from zero after a resume, and counts a packed row as one token.
    """

    tokens: float = 0.0
    _unreported: float = 0.0

    def training_step(
        self, model: nn.Module, inputs: Batch, num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        mask = inputs.get("attention_mask")
        self._unreported += float(inputs["input_ids"].numel() if mask is None else mask.sum())
        return super().training_step(model, inputs, num_items_in_batch)

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
    per_step = config.per_device_batch * config.accumulation * dist.place().world_size
    items = _packed(stage, config, rows, per_step=per_step) if config.packing else rows
    steps = num_steps(steps=config.steps, items=items.items(config.epochs or 0), per_step=per_step)
    items.cover(steps * per_step)
    # The arguments come first: under ZeRO-3 they decide how the model is loaded.
    options = arguments.shared(stage, config, wanted, steps=steps, accumulation=config.accumulation)
    args = SFTConfig(**options, max_length=None, dataset_kwargs={"skip_prepare_dataset": True})
    model, text = session.open_model(stage, config.base, wanted, config.train)

    resume, set_aside = session.resume_point(stage)
    start = checkpoint.step_of(resume) if resume else 0
    tokens = session.rewind(stage, start, ledger.NAME)

    trainer = ExactSFTTrainer(
        model=model,
        args=args,
        train_dataset=items.dataset(system=wanted.system_prompt, with_completion=True),
        processing_class=text,
        data_collator=Collator(
            processor=text,
            packing=config.packing,
            tokens=rows.tokens,
            family=family.of(wanted.family),
            model=model,
        ),
    )
    trainer.begin(
        session.run_of(stage, config, row=items.row, items_per_step=per_step, resume=resume, steps=steps)
    )
    trainer.tokens = tokens
    watched = HeldOut(stage, config, wanted=wanted, text=text, model=model) if config.watch else None

    def extra(step: int) -> dict[str, Column]:
        seen = items.rows((step - 1) * per_step, step * per_step)
        return {
            "epoch": items.epoch(step * per_step),
            "samples": rows.digest(seen),
            "tokens": trainer.tokens,
            **(watched.measure(trainer, step) if watched else {}),
        }

    progress = Progress(ledger.Ledger(stage.path), title=stage.name, window=1, extra=extra)
    progress.resume_tokens(tokens)
    session.fit(trainer, progress, resume)
    session.save(trainer, text)
    summary = session.summary(trainer, rows=rows, set_aside=set_aside, resumed_at=start)
    packs = {"packs": len(items), "fill": items.fill} if isinstance(items, Packed) else {}
    seen = {"watched": watched.facts()} if watched else {}
    return {**summary, **packs, **seen, **session.origin(config.base, wanted)}


def _rows(stage: Stage, config: Config, wanted: Settings) -> Rows:
    return Rows(
        stage,
        config.data,
        source=session.source(stage, config.base, wanted),
        wanted=wanted,
        limit=Limit(
            tokens=config.max_length,
            completion=True,
            most=config.most_too_long,
            patches=config.max_patches if config.packing else None,
        ),
    )


def _packed(stage: Stage, config: Config, rows: Rows, *, per_step: int) -> Packed:
    return Packed(rows, stage.path, tokens=config.max_length, patches=config.max_patches, per_step=per_step)
