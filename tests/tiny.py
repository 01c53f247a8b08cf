"""A corpus drawn by the tests and stages small enough to train in a second: the real trainers, nothing mocked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lingshu_train import recipe
from lingshu_train.data import corpus
from lingshu_train.record import Sample
from lingshu_train.runs import manifest
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.stage import Stage

MODEL: dict[str, Any] = {
    "base": "",
    "dtype": "float32",
    "min_pixels": 784,
    "max_pixels": 12544,
    "shape": {
        "text": {
            "hidden": 32,
            "layers": 2,
            "heads": 4,
            "key_value_heads": 2,
            "intermediate": 64,
            "vocabulary": 512,
            "mrope_section": [1, 1, 2],
            "rope_theta": 10000.0,
            "tied": True,
        },
        "vision": {
            "hidden": 32,
            "depth": 2,
            "heads": 4,
            "intermediate": 64,
            "full_attention": [1],
            "window": 56,
        },
    },
    "build": {"initializer_range": 0.06},
}
ALL_PARTS = ["vision_tower", "merger", "language_model"]
LONG = "there are several bright spots and the picture is otherwise quite dark as far as can be seen "


def draw_corpus(folder: Path, *, rows: int = 40) -> Path:
    """Bright spots on noise: how many? Answers of very unequal length, so that wrong averaging shows."""
    draw = np.random.default_rng(0)
    samples = []
    for n in range(rows):
        count = int(draw.integers(0, 4))
        pixels = draw.integers(0, 60, (56, 56), dtype=np.uint8)
        for cell in draw.permutation(4)[:count]:
            y, x = 28 * (cell // 2) + 8, 28 * (cell % 2) + 8
            pixels[y : y + 10, x : x + 10] = 230
        sample = Sample(
            id=f"spots-{n}",
            card="drawn",
            split="train" if n < rows - 8 else "held_out",
            task="count",
            question="How many bright spots?",
            question_type="numeric",
            answer=str(count),
            reasoning=LONG * (n % 3) + f"{count} spots",
            group=f"picture-{n}",
            modality="drawn",
        )
        samples.append((sample, (Image.fromarray(pixels).convert("RGB"),)))
    corpus.write(folder / "corpus", samples)
    stage = make_stage(folder.parent, folder.name, {"kind": "prepare", "cards": ["package_pydicom"], "image_size": 56, "questions": {}}, parents={})
    here = manifest.environment(device="cpu", processor="", world_size=1, threads=1)
    manifest.write(stage, ran_on=here, results={}, outputs=["corpus"], seconds=0.0)
    return folder


def make_stage(
    root: Path, name: str, config: dict[str, Any], *, parents: dict[str, Path], cluster: Cluster | None = None, world_size: int = 1
) -> Stage:
    """A stage record as the planner would write it, its configuration checked by its kind."""
    block = recipe.Block(name=name, kind=config["kind"], config=config)
    recipe.config_of(block).check(f"stages.{name}")
    return Stage(
        run="test",
        name=name,
        kind=config["kind"],
        content=f"{name}-content",
        folder=str(root / name),
        parents={key: str(value) for key, value in parents.items()},
        config=config,
        model=MODEL,
        cluster=cluster or Cluster(name="test", device="cpu", threads=1),
        world_size=world_size,
        seed=0,
        data_root=str(root / "data"),
        version="test",
    )


def sft(**changes: Any) -> dict[str, Any]:
    """12 steps over 32 rows in global batches of 4: the first epoch ends at step 8."""
    return {
        "kind": "sft",
        "base": "base",
        "data": [{"corpus": "data", "tasks": []}],
        "train": ALL_PARTS,
        "learning_rate": dict.fromkeys(ALL_PARTS, 1e-2),
        "steps": 12,
        "per_device_batch": 4,
        "max_length": 512,
        "save_every": 3,
        "keep": 9,
        **changes,
    }


def grpo(**changes: Any) -> dict[str, Any]:
    """12 steps of 4 prompts in windows of 2 steps: the first epoch of 32 prompts ends at step 8."""
    return {
        "kind": "grpo",
        "base": "base",
        "data": [{"corpus": "data", "tasks": []}],
        "train": ALL_PARTS,
        "learning_rate": dict.fromkeys(ALL_PARTS, 1e-2),
        "rewards": {
            "mode": "sum",
            "terms": [{"name": "accuracy", "weight": 1.0}, {"name": "format", "weight": 0.5}, {"name": "length", "weight": 0.25}],
        },
        "steps": 12,
        "group_size": 2,
        "rollout_prompts": 8,
        "update_prompts": 4,
        "per_device_batch": 4,
        "max_completion": 8,
        "save_every": 4,
        "keep": 9,
        **changes,
    }


def weights(folder: Path) -> dict[str, str]:
    """sha256 of the safetensors files of a model folder."""
    return {path.name: manifest.file_digest(path) for path in sorted(folder.glob("*.safetensors"))}
