"""How many questions ask about what a model was trained on in its run: their picture, or their group (patient, study), is in a
corpus that the model or one of the models it started from has learned from. Told from the corpora themselves.

Pictures are compared as they are stored, by their hash: one that a publisher compressed again is not found. Groups are compared
between cards of one data folder, and between cards of which one names the other in `overlaps`: elsewhere equal names of groups
say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lingshu_train.data.cards.named_alike import named_alike
from lingshu_train.data.corpus import corpus, withdrawn
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.order.mix import Mix
from lingshu_train.errors import DataError, LingshuError
from lingshu_train.evaluation.tabulate import table
from lingshu_train.record import Judged, Sample
from lingshu_train.runs import stage as stages
from lingshu_train.runs.results import ALL, CardAccuracy
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import parse

_TOGETHER = 128
"""Batches of the corpus (1,000 rows each) that are looked through at once."""


@dataclass(frozen=True, slots=True)
class Leaked:
    """For each question whether it asks about something that was trained on; None, and `fault`, where that cannot be told."""

    flags: tuple[bool, ...] | None
    fault: str = ""


def by_card(judged: Sequence[Judged], leaked: Leaked) -> dict[str, CardAccuracy]:
    """A line a data card; `leaked` is of the same questions in the same order."""
    found = {}
    for name in sorted({one.sample.card for one in judged}):
        here = [number for number, one in enumerate(judged) if one.sample.card == name]
        line = table([judged[number] for number in here])[ALL].model_dump()
        if leaked.flags is None:
            found[name] = CardAccuracy.model_validate(line)
            continue
        others = [judged[number] for number in here if not leaked.flags[number]]
        apart = table(others)[ALL] if 0 < len(others) < len(here) else None
        found[name] = CardAccuracy.model_validate(
            line | {"leaked": len(here) - len(others), "unseen": apart and apart.model_dump()}
        )
    return found


def of(stage: Stage, samples: Sequence[Sample]) -> Leaked:
    """Which of the samples ask about something that the model of a stage was trained on. No error: what is not there, such as
    a corpus that was moved away, is told in `fault`."""
    try:
        pictures, groups = _met(samples, list(corpora(stage)))
    except (LingshuError, OSError, pa.ArrowInvalid) as fault:
        return Leaked(
            None, f"{stage.name}: not known which questions ask about training pictures: {_line(fault)}"
        )
    flags = (
        not pictures.isdisjoint(sample.images)
        or bool(sample.group and any(named_alike(sample.card, card) for card in groups.get(sample.group, ())))
        for sample in samples
    )
    return Leaked(tuple(flags))


def corpora(stage: Stage) -> Iterator[Corpus]:
    """The rows that a model has learned from, back to the model that the recipe starts from."""
    while True:
        mixes = stage.config.get("data") or []
        if stage.about.trains and not isinstance(mixes, list):
            raise DataError(f"{stage.name}: does not say under `data` what it was trained on")
        for item in mixes if stage.about.trains and isinstance(mixes, list) else ():
            mix = parse(Mix, item, where=f"{stage.path}: data", error=DataError)
            found = corpus.load(_beside(stage, mix.corpus) / "corpus", split=mix.split, **mix.filters)
            yield withdrawn.left(stage, mix.corpus, found)
        if not stage.about.starts_from:
            return
        stage = stages.read(_beside(stage, stage.about.starts_from) / "stage.json")


def above(stage: Stage) -> Iterator[Corpus]:
    """The corpora that those which a model has learned from were made of, each once, whole."""
    left, seen = [one.folder.parent for one in corpora(stage)], set[Path]()
    while left:
        folder = left.pop()
        if folder in seen or not (folder / "stage.json").is_file():
            continue
        seen.add(folder)
        for name in (maker := stages.read(folder / "stage.json")).parents:
            found = _beside(maker, name)
            if (found / "corpus").is_dir() and found not in seen:
                yield corpus.load(found / "corpus")
                left.append(found)


def _beside(stage: Stage, name: str) -> Path:
    """The folder of a stage that this one reads, also of a run that was moved or copied."""
    recorded = stage.parent(name)
    return recorded if recorded.exists() else stage.path.parent / recorded.name


def _met(samples: Sequence[Sample], trained: Sequence[Corpus]) -> tuple[set[str], dict[str, set[str]]]:
    """Of the samples' pictures those that were trained on; of their groups those, each with the cards it was met in.

    One pass over the corpora's columns; what is in memory is bounded by the samples.
    """
    pictures = pa.array(sorted({digest for sample in samples for digest in sample.images}), pa.string())
    groups = pa.array(sorted({sample.group for sample in samples if sample.group}), pa.string())
    seen: set[str] = set()
    met: dict[str, set[str]] = {}
    for part in (part for one in trained for part in parts(one)):
        shown = pc.struct_field(pc.list_flatten(part["images"]), "digest")
        seen.update(shown.filter(pc.is_in(shown, value_set=pictures)).unique().to_pylist())
        theirs = part.filter(pc.is_in(part["group"], value_set=groups))
        for group, card in zip(theirs["group"].to_pylist(), theirs["card"].to_pylist(), strict=True):
            met.setdefault(group, set()).add(card)
    return seen, met


def parts(found: Corpus, names: Sequence[str] = ("images", "group", "card")) -> Iterator[pa.Table]:
    """These columns of the chosen rows, some batches at a time."""
    start = 0
    columns = zip(*(found.reader.column(name) for name in names), strict=True)
    while several := tuple(islice(columns, _TOGETHER)):
        part = pa.table(
            [pa.chunked_array(column) for column in zip(*several, strict=True)], names=list(names)
        )
        stop = start + len(part)
        if found.chosen is not None:
            first, last = np.searchsorted(found.chosen, (start, stop))
            part = part.take(pa.array(found.chosen[first:last].astype(np.int64) - start))
        yield part
        start = stop


def _line(fault: Exception) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0]
