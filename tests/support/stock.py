"""What a trainer of a tiny stage needs, the stock ones and ours alike: model, rows, collator, arguments, run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tiny
import torch
from layouts import stage_for
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from lingshu_train.runs.stage import Stage
from lingshu_train.training.collate import IGNORED, Collator
from lingshu_train.training.exact import TrainingRun
from lingshu_train.training.feed import Rows


@dataclass(frozen=True)
class Kit:
    """What a trainer needs beside its arguments."""

    stage: Stage
    source: Path
    rows: Rows
    text: Any

    def model(self, source: Path | None = None) -> Any:
        return tiny.model(source or self.source)

    def collator(self, model: Any, *, packing: bool = False) -> Collator:
        return Collator(
            processor=self.text,
            packing=packing,
            stored=self.rows.stored,
            family=tiny.FAMILY,
            model=model,
        )


def make_kit(base: Path, folder: Path, *, corpus: str) -> Kit:
    stage = stage_for(base, folder, ("sft", 1, "none"))
    source = base / "base" / "model"
    rows = tiny.rows(stage, source, corpus=corpus)
    return Kit(
        stage=stage,
        source=source,
        rows=rows,
        text=tiny.processor(source),
    )


def arguments(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "output_dir": str(folder),
        "max_steps": 1,
        "learning_rate": 1e-2,
        "max_grad_norm": 1e9,
        "lr_scheduler_type": "constant",
        "logging_steps": 1,
        "save_strategy": "no",
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "remove_unused_columns": False,
        "disable_tqdm": True,
        "report_to": [],
        "seed": 0,
        **changes,
    }


def run_of(
    kit: Kit, *, steps: int, per_step: int, row: Callable[[int], int], resume: Path | None = None
) -> TrainingRun:
    return TrainingRun(
        stage=kit.stage,
        family=tiny.FAMILY,
        row=row,
        items_per_step=per_step,
        resume=resume,
        steps=steps,
        learning_rate=dict.fromkeys(tiny.ALL_PARTS, 1e-2),
        weight_decay=0.0,
        keep=9,
    )


def collated(text: Any, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Rows as TRL's own collator makes a batch of prompts and their last answers."""
    split = [
        {"prompt": row["messages"][:-1], "completion": row["messages"][-1:], "images": row["images"]}
        for row in rows
    ]
    return dict(DataCollatorForVisionLanguageModeling(text, completion_only_loss=True)(split))


def gradients(model: Any, batches: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    model.zero_grad()
    taught = sum(int((batch["labels"][:, 1:] != IGNORED).sum()) for batch in batches)
    for batch in batches:
        model(**batch, num_items_in_batch=taught, use_cache=False).loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
