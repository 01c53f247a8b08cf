"""The steps one after another: what each decides, and how many rows come to it and stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lingshu_train.curate import _measured, _phases, _work
from lingshu_train.curate._decision import Decision
from lingshu_train.curate._phases import Deal
from lingshu_train.curate._work import Work
from lingshu_train.runs.funnel import Passed


def decide(
    work: Work, deal: Deal = _phases.here, *, ahead: bool = False
) -> tuple[list[Decision], list[Passed]]:
    """The decisions of all steps, in order, after everything was measured. A row that goes at one is not seen by the next.

    `deal` has the jobs of steps that compare rows done, `ahead` also those that spare this process work of its own.
    """
    there = _work.left(work.folder).copy()
    made: list[Decision] = []
    funnel = []
    own = work.sources[-1].rows
    for number, step in enumerate(work.loaded()):
        before = int(there[:own].sum())
        found = [replace(one, step=step.name) for one in _decided(work, number, there, deal, ahead)]
        found.sort(key=lambda one: one.row)
        going = [one.row for one in found if one.action == "drop"]
        there[going] = False
        made += found
        funnel.append(_passed(step.name, before, found))
    return made, funnel


def counts(decisions: Sequence[Decision], action: str) -> dict[str, int]:
    """How many rows had this decided, by step and reason; of tags by what was said."""
    told = {
        (one.row, f"{one.step}: {one.reason}" + (f" {one.value}" if action == "tag" else ""))
        for one in decisions
        if one.action == action
    }
    return dict(sorted(Counter(what for _, what in told).items()))


def _decided(
    work: Work, number: int, there: npt.NDArray[np.bool_], deal: Deal, ahead: bool
) -> Iterator[Decision]:
    step = work.loaded()[number]
    if step.judging:
        found = _measured.judged(work, number)
    else:
        assert step.comparing is not None, f"{step.name}: neither judges nor decides"
        rows = _phases.joined(work, number, there, deal, ahead=ahead)
        found = step.comparing.decide(rows, step.params)
    own = work.sources[-1].rows
    yield from (one for one in found if one.row < own and there[one.row])


def _passed(step: str, before: int, found: Sequence[Decision]) -> Passed:
    rows = {action: {one.row for one in found if one.action == action} for action in ("drop", "flag", "tag")}
    return Passed(
        step=step,
        rows=before,
        dropped=len(rows["drop"]),
        flagged=len(rows["flag"]),
        tagged=len(rows["tag"]),
    )
