"""What withdrawn rows have reached: in which step of which stage they first came, told by the order alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lingshu_train.data.corpus import corpus
from lingshu_train.errors import MissingInput
from lingshu_train.runs.stage import Stage
from lingshu_train.runs.withdrawn import Gone, Withdrawn, written
from lingshu_train.tracing import trace as tracing
from lingshu_train.tracing.matching import Ints, Wanted
from lingshu_train.tracing.trace import Trace, Trained

NEVER = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """`rows` of each corpus, by the name of its stage. `first`: the first optimizer step of each stage that had one of them; 1
    where a stage that takes no steps, or measures meanwhile, looked at one; of one that was killed before it came to those
    ahead of it, the step after its last; 0 where none came, nor would."""

    trace: Trace
    rows: Mapping[str, Ints]
    first: Mapping[str, int]


def find(folder: Path, asked: Wanted, read: Sequence[Stage]) -> Reach:
    """MissingInput (66): nothing is found, or of some stage nobody can tell whether it came to these rows."""
    found = tracing.follow(folder, asked)
    if found.untold:
        raise MissingInput(
            f"{found.untold[0]}; what the rows reached cannot be told, so nothing here could promise that they are forgotten"
        )
    names = {stage.path.name: stage.name for stage in read}
    rows = {
        names[place.parent.name]: numbers
        for place, numbers in found.rows.items()
        if place.parent.name in names and len(numbers)
    }
    first = dict.fromkeys((stage.name for stage in read), NEVER)
    looked = {use.stage for use in found.looked_at}
    for stage in read:
        if stage.name in looked and stage.about.role != "corpus":
            first[stage.name] = 1
    for one in found.trained:
        met = _met(one)
        if met and one.stage in first:
            # A row that is watched as well is met at the first measurement, and these stand in the ledger from the first step.
            first[one.stage] = min(met, first[one.stage] or met)
    return Reach(trace=found, rows=rows, first=first)


def _met(one: Trained) -> int:
    """The first step that is another without the rows. A batch with one of them that was left out as not finite may have been
    finite without it; and a stage that has not finished goes on, in the new run too, to what it has not come to yet."""
    ahead = one.steps + 1 if one.never and one.state != "done" else NEVER
    return one.met or ahead


def document(reach: Reach, read: Sequence[Stage], before: Withdrawn | None) -> Withdrawn:
    """The rows for a recipe, with those that the run went without already."""
    corpora: dict[str, Gone] = dict(before.corpora) if before else {}
    for stage in read:
        if stage.name not in reach.rows:
            continue
        known = corpora[stage.name].numbers if stage.name in corpora else np.empty(0, np.int64)
        every = np.union1d(known, reach.rows[stage.name]).tolist()
        fingerprint = corpus.read_summary(stage.path / "corpus").fingerprint
        corpora[stage.name] = Gone(fingerprint=fingerprint, rows=written(every))
    untouched = [
        stage.content
        for stage in read
        if reach.first[stage.name] == NEVER
        and not stage.withdrawn
        and any(name in corpora for name in stage.parents)
    ]
    return Withdrawn(corpora=corpora, untouched=tuple(untouched))
