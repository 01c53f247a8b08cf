"""What a stage remembers of losses, gradients and weights that were not finite, and what it does about the next.

A batch is left out by its step: the step keeps its place in the order, the schedule and the ledger, and moves nothing. So
the order of all other batches is unchanged, and whoever resumes or replays the stage needs one small file, `left_out.json`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from lingshu_train import dist
from lingshu_train.data.corpus.withdrawn import Flags
from lingshu_train.documents import read_json, there
from lingshu_train.errors import DataError, RunAgain, TrainingDiverged
from lingshu_train.kind import Facts
from lingshu_train.runs import checkpoint, ledger
from lingshu_train.runs.files import write_json
from lingshu_train.runs.ledger import Column
from lingshu_train.runs.withdrawn import COLUMN as WITHDRAWN
from lingshu_train.schema import Strict, parse

NAME = "left_out.json"
"""Below the stage's folder: every time the stage went back, in order."""
RAN_AGAIN, NOT_FINITE, LEFT_OUT = "ran_again", "not_finite", "left_out"
"""Columns of the ledger, at such steps alone: 1 where a batch was run again and then finite; what was not; rows left out."""
_NAMED = 5


class GoneBack(RunAgain):
    """Training has to go on from its last checkpoint at once: the worker begins anew by itself. Where nobody does that for it,
    the same command run again does."""


class Return(Strict):
    """One time that a stage went back to its last checkpoint: at which step, why, and which steps it leaves out since then
    with the ids of their rows. None where the weights were at fault and the batch was not."""

    step: int
    what: str
    steps: tuple[int, ...]
    rows: tuple[str, ...]


class Returns(Strict):
    """left_out.json."""

    returns: tuple[Return, ...] = ()


def returns(folder: Path) -> tuple[Return, ...]:
    """Every time that the stage in `folder` went back; none where it never did. DataError (65) where the file is damaged."""
    path = folder / NAME
    if not there(path):
        return ()
    return parse(Returns, read_json(path), where=f"{path}:", error=DataError).returns


def left_out(folder: Path) -> frozenset[int]:
    """Steps of the stage in `folder` whose batch is left out: they move no weight."""
    return frozenset(step for each in returns(folder) for step in each.steps)


class Guard:
    """What one stage knows of its faults. Every rank has one, and all are told the same."""

    def __init__(
        self,
        folder: Path,
        *,
        most: int = 0,
        rows: Callable[[int], Sequence[str]] = lambda _: (),
        window: int = 1,
        gone: Callable[[int], Flags] | None = None,
    ) -> None:
        """`most`: how often it may go back; 0 stops at once. `rows(step)` are the ids of the rows of a step's batch, of its
        generation window where that has several steps, and `gone(step)` which of them are withdrawn; None: none of the
        stage's."""
        self._gone = lru_cache(maxsize=4)(gone) if gone else None
        self._folder, self._most, self._rows, self._window = folder, most, rows, window
        self._returns = returns(folder)
        self._steps = left_out(folder)
        self._ran_again: dict[int, str] = {}

    def leaves_out(self, step: int) -> bool:
        """Whether a step moves nothing: its batch was not finite, or nothing is left of it."""
        return step in self._steps or (self._gone is not None and bool(self._gone(step).all()))

    def window_of(self, step: int) -> tuple[int, ...]:
        """The steps of its generation window; itself alone where there is none."""
        first = (step - 1) // self._window * self._window + 1
        return tuple(range(first, first + self._window))

    def leaves_out_window(self, step: int) -> bool:
        """Whether no step of the window moves anything, so that nothing has to be generated for it."""
        return all(map(self.leaves_out, self.window_of(step)))

    def passed(self, step: int, what: str) -> None:
        """The batch was run again and then finite: the step was taken with that."""
        self._ran_again[step] = what

    def persists(self, step: int, what: str, *, steps: tuple[int, ...] = ()) -> NoReturn:
        """Nothing finite comes of this step. Leaves out the batches of `steps`, none where the weights are at fault, and goes
        back; TrainingDiverged (70) where it may not, or not any more. Every rank has to call it."""
        rows = tuple(dict.fromkeys(self._rows(steps[0]))) if steps else ()
        spent = len(self._returns)
        if spent >= self._most:
            raise TrainingDiverged(self._end(step, what, rows))
        newest = checkpoint.existing(self._folder)
        start = checkpoint.step_of(newest[-1]) if newest else 0
        if dist.place().first:
            made = Return(step=step, what=what, steps=steps, rows=rows)
            record = Returns(returns=(*self._returns, made))
            write_json(self._folder / NAME, record.model_dump(mode="json"))
        dist.barrier()
        without = f", leaving out its batch ({named(rows)})" if steps else ""
        raise GoneBack(
            f"step {step}: {what}; nothing of it is saved; going back to step {start}{without} ({spent + 1} of {self._most})"
        )

    def columns(self, step: int) -> dict[str, Column]:
        """What the ledger's line of a step says of it, in place of the trainer's loss where that step was left out."""
        count = int(self._gone(step).sum()) if self._gone else 0
        lost: dict[str, Column] = {WITHDRAWN: count} if count else {}
        blank: dict[str, Column] = {"loss": None, "grad_norm": None}
        if step in self._ran_again:
            return {**lost, RAN_AGAIN: 1, NOT_FINITE: self._ran_again[step]}
        for each in self._returns:
            if step in each.steps:
                return {**lost, **blank, LEFT_OUT: len(each.rows), NOT_FINITE: each.what}
        return {**lost, **(blank if self.leaves_out(step) else {})}

    def facts(self) -> Facts:
        """What the manifest says of it; nothing where all was finite."""
        lines = [line for line in ledger.steps(self._folder) if RAN_AGAIN in line]
        if not lines and not self._returns:
            return {}
        return {
            "not_finite": {
                "ran_again": [line["step"] for line in lines],
                "went_back": [each.model_dump(mode="json") for each in self._returns],
            }
        }

    def warnings(self, title: str) -> list[str]:
        """A sentence for the report of each step that was not finite."""
        again = [line for line in ledger.steps(self._folder) if RAN_AGAIN in line]
        return [
            *(
                f"{title}: step {line['step']}: {line[NOT_FINITE]}; the same batch run again was finite and was taken: a "
                "passing fault, look at the machine"
                for line in again
            ),
            *(f"{title}: step {each.step}: {each.what}; {_consequence(each)}" for each in self._returns),
        ]

    def _end(self, step: int, what: str, rows: Sequence[str]) -> str:
        again = f", also when its batch was run again ({named(rows)})" if rows else ""
        said = f"step {step}: {what}{again}; nothing of it is saved; "
        if self._returns:
            before = ", ".join(str(each.step) for each in self._returns)
            return (
                said
                + f"the stage has gone back {len(self._returns)} times before (steps {before}), as often as it may"
            )
        if not rows:
            return said + "the same command goes on from the last checkpoint"
        return said + "on_divergence: {leave_out: 1} in the stage's block goes on without this batch"


def named(rows: Sequence[str]) -> str:
    """The first few ids, and how many more there are."""
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    return f"{len(rows)} rows: {', '.join(rows[:_NAMED])}{more}"


def finite(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Columns of the ledger, None where a number is not finite: JSON has none."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in columns.items()
    }


def _consequence(each: Return) -> str:
    if not each.steps:
        return "the stage went back to its last checkpoint, and no row was left out"
    return f"its batch was left out ({named(each.rows)})"
