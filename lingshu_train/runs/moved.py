"""A stage that went on with another number of processes: asked for, written down, and said of its result."""

from __future__ import annotations

from pathlib import Path

from lingshu_train.documents import read_json
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.kind import Facts
from lingshu_train.runs import checkpoint
from lingshu_train.runs.files import write_json
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import Strict, parse

NAME = "moved.json"
"""In the stage's folder, beside its ledger."""
FACT = "not_bit_equal"
"""The key of the sentence that a manifest and a model card have of it."""


class Move(Strict):
    """After `step`, a stage went on with `to` processes where `of` had written its checkpoint."""

    step: int
    of: int
    to: int


class Moves(Strict):
    """moved.json."""

    moves: tuple[Move, ...] = ()


def agree(stage: Stage, folder: Path, *, writes: bool) -> None:
    """Before a stage goes on from a checkpoint: RecipeError (78) where other processes than these have written it and nobody
    asked for that; else the rank that `writes` puts the move down. Moves after the checkpoint did not happen."""
    step, of = checkpoint.step_of(folder), checkpoint.read(folder).world_size
    if of != stage.world_size and stage.cluster.continue_on is None:
        raise RecipeError(
            f"{folder}: was written by {of} process{'es' if of > 1 else ''}, and this stage has {stage.world_size}; "
            f"cluster.continue_on={stage.world_size} goes on from it; its end is then not that of an undisturbed run to the bit"
        )
    before = read(stage.path)
    known = [move for move in before if move.step < step]
    if of != stage.world_size:
        known.append(Move(step=step, of=of, to=stage.world_size))
    if writes and tuple(known) != before:
        write_json(stage.path / NAME, Moves(moves=tuple(known)).model_dump())


def read(stage_folder: Path) -> tuple[Move, ...]:
    """The moves of a stage, in order."""
    path = stage_folder / NAME
    if not path.is_file():
        return ()
    return parse(Moves, read_json(path), where=f"{path}:", error=DataError).moves


def facts(stage: Stage) -> Facts:
    """For the manifest: that the result is not that of one number of processes to the bit, and where it changed."""
    found = read(stage.path)
    if not found:
        return {}
    told = ", ".join(f"from {move.of} to {move.to} processes after step {move.step}" for move in found)
    return {FACT: f"went on with another number of processes: {told}"}
