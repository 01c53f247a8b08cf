"""A stage that went on in another layout, of other processes or divided otherwise: asked for, written down, and said of its
result."""

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
COLUMN = "moved"
"""In the ledger, of the first step after a move: 1."""


class Layout(Strict):
    """How the work of a stage lies: on how many processes, and what DeepSpeed divides among them."""

    processes: int
    divided: str

    def __str__(self) -> str:
        count = f"{self.processes} process{'es' if self.processes > 1 else ''}"
        return count if self.divided == "none" else f"{count} under {self.divided}"


class Move(Strict):
    """After `step`, a stage went on with `to` processes where `of` had written its checkpoint; `was` and `now` is what
    DeepSpeed divided before and after."""

    step: int
    of: int
    to: int
    was: str = "none"
    now: str = "none"

    def __str__(self) -> str:
        before, after = (
            Layout(processes=self.of, divided=self.was),
            Layout(processes=self.to, divided=self.now),
        )
        if self.was == self.now == "none":
            return f"from {self.of} to {self.to} processes after step {self.step}"
        return f"from {before} to {after} after step {self.step}"


class Moves(Strict):
    """moved.json."""

    moves: tuple[Move, ...] = ()


def here(stage: Stage) -> Layout:
    """How a stage lies now."""
    return Layout(processes=stage.world_size, divided=stage.cluster.division(stage.world_size))


def planned(stage: Stage) -> str:
    """For the plan of a stage that is to go on otherwise than it is named."""
    named = Layout(
        processes=stage.named_world,
        divided=stage.cluster.dividing(stage.begun_with).division(stage.named_world),
    )
    return f"begun on {named}, goes on with {here(stage)}: from there not to the bit what it would have been"


def before(stage: Stage, folder: Path) -> Layout:
    """How it lay when it wrote a checkpoint. What does not say was divided as the stage's name goes by."""
    record = checkpoint.read(folder)
    named = stage.cluster.dividing(stage.begun_with).division(record.world_size)
    return Layout(processes=record.world_size, divided=record.divided or named)


def agree(stage: Stage, folder: Path, *, writes: bool) -> None:
    """Before a stage goes on from a checkpoint: RecipeError (78) where another layout than this has written it and nobody
    asked for that; else the rank that `writes` puts the move down. Moves after the checkpoint did not happen."""
    step, was, now = checkpoint.step_of(folder), before(stage, folder), here(stage)
    if was != now and not stage.cluster.moves:
        asked = [f"cluster.continue_on={now.processes}"] if was.processes != now.processes else []
        asked += [f"cluster.continue_with={now.divided}"] if was.divided != now.divided else []
        raise RecipeError(
            f"{folder}: was written by {was}, and this stage has {now}; {' '.join(asked)} goes on from it; its end is then not "
            "that of an undisturbed run to the bit"
        )
    told = read(stage.path)
    known = [move for move in told if move.step < step]
    if was != now:
        known.append(Move(step=step, of=was.processes, to=now.processes, was=was.divided, now=now.divided))
    if writes and tuple(known) != told:
        write_json(stage.path / NAME, Moves(moves=tuple(known)).model_dump())


def divided_otherwise(stage: Stage, folder: Path) -> bool:
    """Whether a checkpoint's files are none that this layout reads by itself: torch's are the same on any number of ranks."""
    was, now = before(stage, folder), here(stage)
    return was != now and (was.divided != "none" or now.divided != "none")


def read(stage_folder: Path) -> tuple[Move, ...]:
    """The moves of a stage, in order."""
    path = stage_folder / NAME
    if not path.is_file():
        return ()
    return parse(Moves, read_json(path), where=f"{path}:", error=DataError).moves


def facts(stage: Stage) -> Facts:
    """For the manifest: that the result is not that of one layout to the bit, and where it changed."""
    found = read(stage.path)
    if not found:
        return {}
    return {FACT: f"went on in another layout: {', '.join(map(str, found))}"}
