"""A model that was brought here without its run: what its provenance.json tells, which is names, hashes and data cards."""

from __future__ import annotations

from pathlib import Path

from lingshu_train.documents import there
from lingshu_train.errors import MissingInput
from lingshu_train.hub import provenance
from lingshu_train.hub.provenance import Provenance
from lingshu_train.papers import _known
from lingshu_train.papers._known import Known
from lingshu_train.report.gather import RunView
from lingshu_train.runs import run
from lingshu_train.runs.results import Results
from lingshu_train.runs.run import Run

UNCOUNTED = "the run is not here, and an export carries no corpus"


def known(folder: Path, *, cards: Path | None) -> Known:
    """Read a run, the run in which an export lies, or an export alone. MissingInput (66) where it is none of them, DataError
    (65) where it is damaged."""
    if there(folder / run.NAME) or not (folder / "config.json").is_file():
        return _known.known(folder, card_folder=cards)
    above = folder.absolute().parent.parent
    if there(above / run.NAME):
        return _known.known(above, card_folder=cards)
    told = provenance.read(folder)
    if told is None:
        raise MissingInput(
            f"{folder}: a model without its run and without {provenance.NAME}: nothing tells what it was made from; papers are "
            "filled where the run lies"
        )
    return _of(folder, told, cards=cards)


def _of(folder: Path, told: Provenance, *, cards: Path | None) -> Known:
    """Cards speak for the data where their digests are those that the run read. Nothing else of the run is known."""
    stages = {one.stage: one for one in told.stages}
    behind: dict[str, str] = {}
    waiting, seen = [told.model], set()
    while waiting:
        here = waiting.pop()
        if here in seen or here not in stages:
            continue
        seen.add(here)
        behind |= stages[here].cards
        waiting += stages[here].parents
    view = RunView(
        run=Run(recipe=told.run, stages=(), plan=told.stages[-1].manifest, path=folder),
        stages=(),
        results=Results(),
        predictions={},
        rollouts={},
        cards=(),
        missing_cards=(),
        damage=(),
        running=False,
    )
    return Known(
        view=view,
        lineage=(),
        origin=None,
        training=tuple(
            _known.source(name, cards, recorded=[digest], licence="")
            for name, digest in sorted(behind.items())
        ),
        evaluation=(),
        idle=(),
        counted={},
        pictures=0,
        uncounted=UNCOUNTED,
        configs={},
        pushes=(),
        export=told,
    )
