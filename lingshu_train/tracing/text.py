"""A trace as lines for a person, and as JSON for a program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from lingshu_train.tracing.matching import Ints
from lingshu_train.tracing.trace import LISTED, Trace, Trained

_RANGES = 12
"""Stretches of steps that a line shows; JSON has them all."""
_SAMPLES = 5
"""Samples that are shown one by one."""


def text(found: Trace) -> str:
    """The answer, stage by stage, and what carries it."""
    there = ", ".join(f"{count:,} in {name}" for name, count in found.found.items())
    lines = [f"{found.asked.searched}: rows by corpus: {there}"]
    lines += [f"refused when prepared: {line}" for line in found.refused[:_SAMPLES]]
    if len(found.refused) > _SAMPLES:
        lines.append(f"refused when prepared: {len(found.refused) - _SAMPLES:,} more")
    for one in found.trained:
        lines += ["", *_stage(one)]
    lines += [f"not told: {line}" for line in found.untold]
    lines += ["", *_carried(found)]
    lines += [
        f"looked at, not learned: {use.stage}, {_count(use.rows, 'row')}: {use.how}"
        for use in found.looked_at
    ]
    return "\n".join(lines)


def data(found: Trace) -> dict[str, Any]:
    """The same for programs: every stretch of steps, and up to a thousand rows one by one."""
    return {
        "run": str(found.run),
        "asked": {"what": found.asked.what, "named": found.asked.named, "values": list(found.asked.values)},
        "rows": found.found,
        "refused": list(found.refused[:LISTED]),
        "stages": [_stage_data(one) for one in found.trained],
        "not_told": list(found.untold),
        "carried_by": {
            **{key: list(value) for key, value in asdict(found.carried).items() if key != "pushes"},
            "pushes": [one.model_dump(mode="json") for one in found.carried.pushes],
        },
        "looked_at": [asdict(use) for use in found.looked_at],
    }


def ranges(steps: Iterable[int]) -> list[tuple[int, int]]:
    """Stretches of consecutive numbers, each with its first and last."""
    every = np.unique(np.fromiter(steps, np.int64))
    if not len(every):
        return []
    breaks = np.flatnonzero(np.diff(every) > 1)
    firsts, lasts = every[np.r_[0, breaks + 1]], every[np.r_[breaks, len(every) - 1]]
    return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]


def _steps(one: Trained) -> list[tuple[int, int]]:
    """All steps with one of the rows. Windows are stretches already."""
    longest = int((one.draws.last - one.draws.first).max(initial=0)) + 1
    found: list[Ints] = [np.minimum(one.draws.first + n, one.draws.last) for n in range(longest)]
    return ranges(np.concatenate(found).tolist())


def _stage(one: Trained) -> Iterator[str]:
    draws, rows = len(one.draws.which), len(np.unique(one.draws.which))
    head = f"{one.stage} ({one.kind}, {one.state}, {one.steps:,} steps taken)"
    if not draws:
        yield f"{head}: not trained on"
    else:
        stretches = _steps(one)
        count = sum(last - first + 1 for first, last in stretches)
        epochs = ", ".join(_stretch(*each) for each in ranges(one.draws.epoch.tolist()))
        yield f"{head}: {_count(rows, 'row')}, {_count(draws, 'time')}, in {_count(count, 'step')}, epoch {epochs}"
        if one.window > 1:
            yield f"  a generation window is {one.window} steps, over which its completions are spread"
        shown = [_stretch(*each) for each in stretches[:_RANGES]]
        rest = f", ... ({len(stretches) - _RANGES:,} more)" if len(stretches) > _RANGES else ""
        yield f"  steps {', '.join(shown)}{rest}"
        yield from _rows(one)
    for reason, number in sorted(one.left_out.items()):
        yield f"  left out: {number:,} {reason}"
    if one.moved_nothing:
        yield f"  came {one.moved_nothing:,} times in batches that were left out as not finite, and moved no weight"
    if one.never:
        yield f"  not come up: {one.never:,} of those that take part, in no step so far"
    yield f"  checked: {one.compared:,} of {one.steps:,} steps have the samples that the ledger tells"


def _rows(one: Trained) -> Iterator[str]:
    for place, (name, draws) in enumerate(_each(one)):
        if place == _SAMPLES:
            yield f"  ... and {len(np.unique(one.draws.which)) - _SAMPLES:,} rows more (--json has them)"
            return
        when = ", ".join(f"{_stretch(*steps)} (epoch {epoch})" for epoch, *steps in draws[:_RANGES])
        rest = f", ... ({len(draws) - _RANGES:,} more)" if len(draws) > _RANGES else ""
        yield f"  {name}: step {when}{rest}"


def _each(one: Trained) -> Iterator[tuple[str, list[tuple[int, int, int]]]]:
    """Each row that is named, with its (epoch, first step, last step)s in order."""
    order = np.lexsort((one.draws.first, one.draws.which))
    borders = np.searchsorted(one.draws.which[order], np.arange(len(one.ids) + 1))
    table = np.stack([one.draws.epoch, one.draws.first, one.draws.last], axis=1)[order]
    for place, name in enumerate(one.ids):
        draws = table[borders[place] : borders[place + 1]].tolist()
        yield name, [(epoch, first, last) for epoch, first, last in draws]


def _carried(found: Trace) -> Iterator[str]:
    carried = found.carried
    if found.untold:
        yield "what carries it may be more, by the stages that are not told"
    if not any(one.first for one in found.trained):
        yield "carried by: nothing of this run; no step has had any of it"
        return
    for title, places in (
        ("models", carried.models),
        ("exports", carried.exports),
        ("checkpoints", carried.checkpoints),
        ("unfinished stages", carried.begun),
        ("results measured with it", carried.measured),
        ("pushes", tuple(f"{one.repo} at {one.commit[:12]}, {one.at}" for one in carried.pushes)),
        ("checkpoints from before it", carried.free),
    ):
        if len(places) == 1:
            yield f"{title}: {places[0]}"
        elif places:
            yield f"{title}:"
            yield from (f"  {place}" for place in places)
    if not carried.pushes:
        yield "pushes: none on record"


def _stage_data(one: Trained) -> dict[str, Any]:
    draws = [
        {"id": name, "draws": [{"epoch": e, "step": first, "last_step": last} for e, first, last in each]}
        for name, each in _each(one)
    ]
    return {
        "stage": one.stage,
        "kind": one.kind,
        "state": one.state,
        "steps_taken": one.steps,
        "rows": len(np.unique(one.draws.which)),
        "times": len(one.draws.which),
        "epochs": [list(each) for each in ranges(one.draws.epoch.tolist())],
        "steps": [list(each) for each in _steps(one)],
        "window": one.window,
        "left_out": one.left_out,
        "not_come_up": one.never,
        "came_in_batches_left_out": one.moved_nothing,
        "steps_compared_with_the_ledger": one.compared,
        "samples": draws,
        "samples_listed": min(len(draws), LISTED),
    }


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _stretch(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,}-{last:,}"
