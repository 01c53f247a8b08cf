"""A tiny model of every family the tests know: those of this project, and one in a plugin folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tiny
import torch
from PIL import Image
from transformers import PreTrainedModel, ProcessorMixin

from lingshu_train.model import family, load, parts, vision_guard
from lingshu_train.model.family import Family
from lingshu_train.model.settings import Settings
from lingshu_train.runs.stage import Stage
from lingshu_train.stages import _kinds as kinds
from lingshu_train.training.collate import IGNORED, Collator
from lingshu_train.training.feed import Rows

PLUGINS = Path(__file__).with_name("plugins")
TOY: dict[str, Any] = {
    **tiny.MODEL,
    "family": "toy_internvl",
    "shape": {
        "text": {
            "hidden": 32,
            "layers": 2,
            "heads": 4,
            "key_value_heads": 2,
            "intermediate": 64,
            "vocabulary": 512,
        },
        "vision": {"hidden": 32, "depth": 2, "heads": 4, "intermediate": 64},
    },
}
INTERNVL: dict[str, Any] = {
    **tiny.MODEL,
    "family": "internvl3",
    "shape": {
        "text": {
            "hidden": 64,
            "layers": 2,
            "heads": 2,
            "key_value_heads": 1,
            "intermediate": 64,
            "vocabulary": 512,
            "rope_theta": 10000.0,
            "tied": True,
        },
        "vision": {"hidden": 64, "depth": 2, "heads": 2, "intermediate": 64, "tile": 56},
    },
}
QWEN3: dict[str, Any] = {
    **tiny.MODEL,
    "family": "qwen3_vl",
    "min_pixels": 1024,
    "max_pixels": 16384,
    "shape": {
        "text": {
            "hidden": 64,
            "layers": 3,
            "heads": 3,
            "key_value_heads": 1,
            "head": 32,
            "intermediate": 64,
            "vocabulary": 512,
            "mrope_section": [6, 5, 5],
            "rope_theta": 10000.0,
            "tied": True,
        },
        "vision": {
            "hidden": 32,
            "depth": 3,
            "heads": 2,
            "intermediate": 64,
            "deepstack": [0, 1],
            "positions": 16,
        },
    },
}
GEMMA: dict[str, Any] = {
    **tiny.MODEL,
    "family": "gemma3",
    "min_pixels": 3136,
    "max_pixels": 3136,
    "shape": {
        "text": {
            "hidden": 64,
            "layers": 3,
            "heads": 2,
            "key_value_heads": 1,
            "head": 32,
            "intermediate": 64,
            "vocabulary": 512,
            "window": 12,
            "pattern": 2,
            "query_scale": 32,
        },
        "vision": {"hidden": 64, "depth": 2, "heads": 2, "intermediate": 64, "side": 56, "tokens": 4},
    },
}
"""Rows are longer than a window."""
MODELS = {
    "qwen2_5_vl": tiny.MODEL,
    "qwen3_vl": QWEN3,
    "internvl3": INTERNVL,
    "gemma3": GEMMA,
    "toy_internvl": TOY,
}
Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Kit:
    """A family, and below `root` the finished stages `data` (every second sample has its picture) and `base`."""

    root: Path
    block: dict[str, Any]
    settings: Settings
    family: Family

    @property
    def source(self) -> Path:
        return self.root / "base" / "model"

    @property
    def processor(self) -> ProcessorMixin:
        return load.processor(self.family, str(self.source), self.settings.budget)

    def model(self, *train: str, sharded: bool | None = None) -> PreTrainedModel:
        """The base; guarded where `sharded` is given."""
        model = load.model(self.family, str(self.source), dtype="float32", attention="sdpa")
        parts.freeze_all_but(self.family, model, train)
        if sharded is not None:
            vision_guard.install(self.family, model, sharded=sharded)
        return model

    def stage(self, name: str, config: dict[str, Any], *parents: str) -> Stage:
        folders = {parent: self.root / parent for parent in parents}
        return tiny.make_stage(self.root, name, config, parents=folders, model=self.block)

    def rows(self) -> Rows:
        return tiny.rows(self.stage("sft", tiny.sft(), "data", "base"), self.source)

    def collator(self, rows: Rows, model: PreTrainedModel, *, packing: bool = False) -> Collator:
        return Collator(
            processor=self.processor,
            packing=packing,
            stored=rows.stored,
            family=self.family,
            model=model,
        )

    def batches(self, *, packing: bool = False, count: int = 2) -> dict[str, Batch]:
        """A batch of text, one of pictures, and one of both, as the collator makes them."""
        rows = self.rows()
        collate = self.collator(rows, self.model(), packing=packing)
        data = rows.dataset(system="", whole=True)
        found = {"text": [], "pictures": []}
        for row, sample in enumerate(tiny.samples(rows)):
            found["pictures" if sample.images else "text"].append(row)
        chosen = {name: numbers[:count] for name, numbers in found.items()}
        chosen["both"] = [row for pair in zip(*chosen.values(), strict=True) for row in pair]
        return {name: collate([data[row] for row in numbers]) for name, numbers in chosen.items()}


def make(name: str, root: Path) -> Kit:
    """Draw the corpus and build the model with the real stage."""
    tiny.draw_corpus(root / "data", seen=lambda n: n % 2 == 0)
    block = MODELS[name]
    settings = Settings.model_validate_json(json.dumps(block))
    kit = Kit(root=root, block=block, settings=settings, family=family.of(name))
    carry_out(kit.stage("base", {"kind": "build", "corpus": "data"}, "data"))
    return kit


def carry_out(stage: Stage) -> dict[str, Any]:
    """Run a stage in this process, as a worker does. Returns what the manifest says of it."""
    config = kinds.read(stage.config, where=stage.name)
    settings = Settings.model_validate_json(json.dumps(stage.model))
    stage.write()
    results = dict(kinds.run_of(stage.kind)(stage, config, settings))
    tiny.finish(stage, outputs=list(config.outputs))
    return results


def gradients(model: PreTrainedModel, batches: list[Batch]) -> dict[str, torch.Tensor]:
    """Of the mean over all taught tokens of all batches."""
    model.zero_grad()
    taught = sum(int((batch["labels"][:, 1:] != IGNORED).sum()) for batch in batches)
    for batch in batches:
        model(**batch, num_items_in_batch=taught, use_cache=False).loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def picture(wide: int, high: int) -> Image.Image:
    """Noise, the same for every size."""
    draw = torch.Generator().manual_seed(wide * high)
    return Image.fromarray(torch.randint(0, 256, (high, wide, 3), generator=draw, dtype=torch.uint8).numpy())
