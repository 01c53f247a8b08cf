"""The lines of benchmarks in a stage: the same counting as `lingshu eval`, and the same page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from pydantic import JsonValue

from lingshu_train.evaluation.benchmarks import measuring, scores, suite, tiers, versus
from lingshu_train.evaluation.benchmarks.asked import Way
from lingshu_train.evaluation.benchmarks.measuring import Questions
from lingshu_train.evaluation.leaked import Leaked
from lingshu_train.evaluation.page import model as pages
from lingshu_train.evaluation.page import render
from lingshu_train.record import Completion, Sample
from lingshu_train.runs.files import write_text
from lingshu_train.runs.lines import Line

SCORED = "scored"
_WAY = Way()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one model answered. `stage`: the folder of the stage that left it, None for the model that a recipe starts from;
    `leaked` is of those `samples` that a rule can judge."""

    model: str
    samples: Sequence[Sample]
    completions: Sequence[Completion]
    gallery: Callable[[str], Image.Image]
    leaked: Leaked
    stage: Path | None


def lines(folder: Path, found: Answered, split: str) -> tuple[Line, ...]:
    """A line a benchmark, and a line of each other card; every answer with its verdicts in `folder`/scored/MODEL."""
    told = []
    for one in suite.of_cards(list(dict.fromkeys(sample.card for sample in found.samples)), split):
        here = [
            pair for pair in zip(found.samples, found.completions, strict=True) if pair[0].card in one.cards
        ]
        own = not any(suite.is_benchmark(card) for card in one.cards)
        tally = scores.Tally(one, _behind(found, [sample for sample, _ in here], own=own))
        measuring.keep(
            folder / SCORED / found.model / measuring.SCORED / f"{one.name}.jsonl",
            (tally.add(*pair) for pair in here),
        )
        told.append(tally.line(f"{_WAY.prompts}:{_WAY.fingerprint}").model_copy(update={"own": own}))
    return tuple(told)


def page(
    folder: Path,
    asked: Sequence[Sample],
    gallery: Callable[[str], Image.Image],
    told: Mapping[str, Sequence[Line]],
    config: Mapping[str, JsonValue],
) -> None:
    """Write evaluation.html into the stage's folder, where a benchmark was measured."""
    known = {line.name for each in told.values() for line in each if not line.own}
    cards = list(dict.fromkeys(sample.card for sample in asked))
    wanted = [one for one in suite.of_cards(cards, "test") if one.name in known]
    if not wanted:
        return
    questions = [
        Questions(benchmark=one, samples=[each for each in asked if each.card in one.cards], gallery=gallery)
        for one in wanted
    ]
    folders = {name: folder / SCORED / name for name in told}
    shown = [
        pages.of(name, folders[name], [line for line in each if not line.own]) for name, each in told.items()
    ]
    right = {name: measuring.right(place, wanted) for name, place in folders.items()}
    first, *others = right
    groups = measuring.groups(folders[first], wanted)
    paired = {other: versus.differences(right[first], right[other], groups) for other in others}
    write_text(folder / render.NAME, render.page(questions, shown, paired=paired, config=config))


def _behind(found: Answered, samples: Sequence[Sample], *, own: bool) -> tiers.Behind:
    """What the model was trained on of these questions."""
    if found.stage is None:
        return tiers.UNKNOWN
    if not own:
        return tiers.of(found.stage, samples, found.gallery)
    if found.leaked.flags is None:
        return tiers.Behind(fault=found.leaked.fault)
    ruled = (one.id for one in found.samples if one.question_type != "free")
    flags = dict(zip(ruled, found.leaked.flags, strict=True))
    tier: dict[str, tiers.Tier] = {
        one.id: "shared" if flags[one.id] else "clean" for one in samples if one.id in flags
    }
    return tiers.Behind(tier=tier, fault="near copies are looked for in benchmarks alone")
