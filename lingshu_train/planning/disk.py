"""What the stages that train still need on disk: their models, and the checkpoints that stand at once at most. No torch."""

from __future__ import annotations

import shutil
from pathlib import Path

from lingshu_train.errors import OutputFailed
from lingshu_train.planning import estimate
from lingshu_train.planning.plan import Plan, state
from lingshu_train.planning.recipe import Recipe
from lingshu_train.training.config import TrainingConfig


def needed(recipe: Recipe, plan: Plan) -> int:
    """Bytes beyond what lies there, at the stage where they are most. A new checkpoint stands beside the `keep` before it until
    it is whole; a finished stage keeps `keep_finished` of them."""
    most = standing = 0
    for one in plan.planned:
        cost = estimate.cost(recipe, one.stage, one.config)
        if cost is None or not isinstance(one.config, TrainingConfig) or state(one.stage) == "done":
            continue
        there = _bytes(one.stage.path / "checkpoints")
        most = max(most, standing + (one.config.keep + 1) * cost.checkpoint_bytes - there)
        left = min(one.config.left, one.config.keep)
        standing += cost.model_bytes + left * cost.checkpoint_bytes - there
        most = max(most, standing)
    return most


def free(folder: Path) -> int:
    """Bytes free where a folder lies or will lie."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check(recipe: Recipe, plan: Plan) -> None:
    """OutputFailed (74): what will be written has no room, which is better told before the first stage than after days."""
    want, here = needed(recipe, plan), free(Path(plan.output))
    if want > here:
        raise OutputFailed(
            f"{plan.output}: models and checkpoints of the stages to do need about {size(want)}, {size(here)} are free; free "
            "space, name another place with output=FOLDER, or let fewer checkpoints stay (keep, keep_finished)"
        )


def size(number: int) -> str:
    """Bytes in words."""
    return f"{number / 2**30:,.1f} GiB" if number >= 2**30 else f"{number / 2**20:,.0f} MiB"


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
