"""Where rows were used without being learned from: questions of an evaluation, rows watched, texts of a tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lingshu_train.data.corpus import corpus
from lingshu_train.data.corpus.records import sample_of
from lingshu_train.errors import RecipeError
from lingshu_train.kind import Need
from lingshu_train.metrics import accuracy
from lingshu_train.runs.stage import Stage
from lingshu_train.stages import _kinds
from lingshu_train.tracing.matching import Ints

WATCHED = "watch.corpus"


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """`rows` of those asked for that a stage could look at: of the split and tasks it names. `how` in words."""

    stage: str
    how: str
    rows: int


def of(stage: Stage, known: Mapping[Path, Ints], *, title: str, skip: bool) -> Iterator[LookedAt]:
    """What a stage looks at beside the rows it trains on (`skip`: what it trains on, which the order tells, is left out)."""
    try:
        config = _kinds.read(stage.config, where=f"stages.{stage.name}")
    except RecipeError:
        return
    for need in config.needs:
        if need.role != "corpus" or (skip and need.key == "data"):
            continue
        count = _rows(stage, need, known)
        if count:
            yield LookedAt(stage=title, how=_how(stage, need, config), rows=count)


def _how(stage: Stage, need: Need, config: object) -> str:
    if need.key == WATCHED:
        watch = getattr(config, "watch", None)
        return f"may be among the at most {getattr(watch, 'samples', 0)} rows watched ({need.split})"
    if stage.about.role == "results":
        return f"asked as questions of the evaluation ({need.split})"
    if stage.about.role == "model":
        return "its texts are among those that the tokenizer was made from"
    return f"read ({stage.about.method})"


def _rows(stage: Stage, need: Need, known: Mapping[Path, Ints]) -> int:
    folder = stage.parent(need.stage) / "corpus"
    rows = known.get(folder)
    if rows is None or not len(rows):
        return 0
    try:
        chosen = corpus.load(folder, split=need.split or None, tasks=need.tasks).chosen
    except RecipeError:
        return 0
    own = rows if chosen is None else rows[np.isin(rows, chosen)]
    if need.stage in stage.withdrawn:
        own = own[~np.isin(own, stage.withdrawn[need.stage].numbers)]
    if stage.about.role != "results":
        return len(own)
    reader = corpus.load(folder).reader
    return sum(accuracy.applies(sample_of(reader.record(int(row)))) for row in own)
