"""The answers of a run that wait for a person, what is shown of one, and what the audits of a stage came to so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from lingshu_train.auditing import records, sequence
from lingshu_train.auditing.choice import Audit
from lingshu_train.auditing.records import FIRST, Audited
from lingshu_train.data.corpus import corpus
from lingshu_train.errors import DataError, MissingInput, RecipeError
from lingshu_train.runs import run as runs
from lingshu_train.runs import stage as stages
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import parse

BLOCK = "audit"
"""The key of a stage's configuration that makes it keep audits."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What the audits of one reward of a stage came to: how many have a verdict, how many of them were false, how many wait,
    and the two bounds on the rate."""

    stage: str
    under: str
    judged: int
    false: int
    waiting: int
    lower: float
    upper: float
    limit: float
    confidence: float


def audited(run: Path) -> list[Stage]:
    """The stages of a run that keep audits. MissingInput (66): none does."""
    here = runs.read(run)
    folders = [here.folder(one) for one in here.stages]
    found = [stages.read(folder / "stage.json") for folder in folders if (folder / "stage.json").is_file()]
    kept = [stage for stage in found if stage.config.get(BLOCK)]
    if not kept:
        raise MissingInput(
            f"{run}: no stage that has begun audits its reward; a grpo stage with a block `audit` does (docs/audit.md)"
        )
    return kept


def waiting(stage: Stage) -> list[Audited]:
    """Answers that a person is to judge, the oldest first."""
    return [one for one in records.read(stage.path) if one.false is None and one.why == "waits"]


def sums(stage: Stage) -> Iterator[Sum]:
    """One for each reward that accepted something."""
    block = parse(Audit, stage.config[BLOCK], where=f"stages.{stage.name}.{BLOCK}", error=RecipeError)
    known = records.read(stage.path)
    for under in dict.fromkeys([FIRST, *(one.under for one in known)]):
        windows = records.windows(known, under)
        yield Sum(
            stage=stage.name,
            under=under,
            judged=sum(one.judged for one in windows),
            false=int(sum(one.false for one in windows)),
            waiting=sum(one.false is None for one in known if one.under == under),
            lower=sequence.lower(windows, block.confidence),
            upper=sequence.upper(windows, block.confidence),
            limit=block.limit,
            confidence=block.confidence,
        )


def picture(stage: Stage, one: Audited) -> Image.Image | str:
    """The first picture of the question, or why there is none; empty where it has none."""
    fault = ""
    for parent in stage.parents.values() if one.image else ():
        folder = Path(parent) / "corpus"
        if not folder.is_dir():
            continue
        try:
            return corpus.load(folder).image(one.image)
        except DataError as raised:
            fault = str(raised)
    return fault
