"""What curation decided: how many rows came to each step and stayed, and pictures of rows that went or were pointed out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lingshu_train.data.corpus import corpus
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.corpus.records import Location, locations_of
from lingshu_train.errors import LingshuError
from lingshu_train.report.gallery import LONGEST_TEXT, Picture, data_address
from lingshu_train.report.gather import RunView
from lingshu_train.runs import funnel
from lingshu_train.runs.funnel import Passed

DECISIONS = "decisions.parquet"
MOST_SHOWN = 3
"""Rows of a reason that are shown."""
_LOOKED_AT = 100_000
"""Decisions of a stage among which they are looked for: a page is written in a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A row of which something was decided. `evidence` names the row that shows it."""

    action: str
    reason: str
    sample: str
    text: str
    value: str
    evidence: str
    picture: Picture | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curated:
    """A stage of curation: its steps in order, and some rows of each reason."""

    stage: str
    steps: tuple[Passed, ...]
    shown: tuple[Shown, ...]


def curated(view: RunView) -> list[Curated]:
    """Every finished stage that decided over rows, in the order of the run."""
    found = []
    for made in view.manifests:
        steps = funnel.steps(made)
        if steps:
            folder = next(each.folder for each in view.stages if each.name == made.stage.name)
            found.append(Curated(stage=made.stage.name, steps=steps, shown=tuple(_shown(folder))))
    return found


def _shown(folder: Path) -> Iterator[Shown]:
    """The first rows of each reason, in the order of the table. None of files that cannot be read: that is said elsewhere."""
    try:
        found = corpus.load(folder / "corpus")
        yield from (_row(found, line) for line in _lines(folder / DECISIONS))
    except (LingshuError, OSError, pa.ArrowInvalid):
        return


def _lines(path: Path) -> Iterator[dict[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    seen = 0
    with pq.ParquetFile(path) as table:
        for batch in table.iter_batches(batch_size=10_000):
            for line in batch.to_pylist():
                reason = (line["step"], line["reason"])
                counts[reason] += 1
                if counts[reason] <= MOST_SHOWN:
                    yield line
            seen += len(batch)
            if seen >= _LOOKED_AT:
                return


def _row(found: Corpus, line: dict[str, str]) -> Shown:
    record = found.reader.record(int(line["row"]))
    locations = locations_of(record)
    # Of several pictures the one that the decision is about.
    place = next((one for one in locations if one.digest == line["evidence"]), next(iter(locations), None))
    picture = None
    if place is not None:
        picture = Picture(source=_source(found, place), alt=f"image of sample {record['id']}")
    text = " → ".join(part for part in (record["question"], record["answer"]) if part)
    return Shown(
        action=line["action"],
        reason=f"{line['step']}: {line['reason']}",
        sample=record["id"],
        text=text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} …",
        value=line["value"],
        evidence="" if place is not None and line["evidence"] == place.digest else line["evidence"],
        picture=picture,
    )


def _source(found: Corpus, place: Location) -> str:
    """The picture as an address; empty where it was erased since, or is damaged."""
    try:
        return data_address(found.reader.read(place))
    except OSError:
        return ""
