"""A training set with stated faults planted in it, and the benchmark that it leaks: what `curation_matters.py` trains on."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from mattering import TASKS, Row, numbers, row
from PIL import Image

from lingshu_train.data.corpus import corpus
from lingshu_train.record import Sample

QUESTIONS, CAPTIONS, ASKED = 100, 100, 200
"""Sound rows of each task, sound captions, and questions of the benchmark; as many are held out beside it."""
DUPLICATED, TIMES = 10, 10
LEAKED = 0.2
"""Share of the benchmark's questions that the training set holds."""
QUALITIES = (0, 75, 0, 85, 0, 90, 0, 95)
"""Each of them so often: as it is (0), and as JPEG of these qualities, as collections of collections have it."""
WRONG, JUNK = 40, 40
"""Rows of each kind of wrong label, and of each kind of junk caption."""
GERMAN = "Die Aufnahme zeigt einen Schnitt durch den Körper, auf dem keine Veränderung zu sehen ist."
KINDS = (
    "exact copy",
    "copy as JPEG",
    "leaked picture",
    "leaked picture as JPEG",
    "wrong label beside the right one",
    "wrong label beside the right one, as JPEG",
    "wrong label alone",
    "caption of two words",
    "caption in German",
    "caption of another picture",
)


@dataclass(frozen=True)
class Planted:
    """A row, and what is wrong with it; empty: nothing."""

    kind: str
    row: Row


@dataclass(frozen=True)
class Drawn:
    """What one seed has drawn. `leaked`: ids of the benchmark's questions that the training set holds."""

    rows: list[Planted]
    benchmark: list[Row]
    held_out: list[Row]
    leaked: set[str]


def drawn(base: corpus.Corpus, seed: int) -> Drawn:
    """A training set, a benchmark of which it holds a part, and questions that it holds nothing of."""
    draw = np.random.default_rng(seed)
    where = numbers(base)
    asked = [row(base, n) for task in TASKS for n in where["held_out", task]]
    order = draw.permutation(len(asked)).tolist()
    benchmark = [asked[n] for n in order[:ASKED]]
    held_out = [asked[n] for n in order[ASKED : 2 * ASKED]]
    pools = {
        task: [row(base, n) for n in draw.permutation(where["train", task])[: QUESTIONS + 30]]
        for task in TASKS
    }
    sound = [one for pool in pools.values() for one in pool[:QUESTIONS]]
    captions = [row(base, n) for n in draw.permutation(where["train", "caption"])[: CAPTIONS + 4 * JUNK]]
    found = [Planted("", one) for one in (*sound, *captions[:CAPTIONS])]
    found += _copies(sound, draw)
    leaked = benchmark[: round(LEAKED * ASKED)]
    found += _leaks(leaked)
    found = _mislabelled(found, sound, draw)
    found += _junk(captions[CAPTIONS:])
    # What copies a row comes after it: which of two stays is a matter of their order.
    mixed = sorted(draw.permutation(len(found)).tolist(), key=lambda n: bool(found[n].kind))
    return Drawn([found[n] for n in mixed], benchmark, held_out, {sample.id for sample, _ in leaked})


def _copies(sound: Sequence[Row], draw: np.random.Generator) -> list[Planted]:
    """A few rows many times over, as a set has them that was put together from others."""
    found = []
    for place in draw.permutation(len(sound))[:DUPLICATED].tolist():
        for time in range(TIMES):
            kind = "copy as JPEG" if time % 2 else "exact copy"
            found.append(_again(sound[place], kind, f"{place}-{time}", quality=75 if time % 2 else 0))
    return found


def _leaks(leaked: Sequence[Row]) -> list[Planted]:
    found = []
    for place, one in enumerate(leaked):
        for time, quality in enumerate(QUALITIES):
            kind = "leaked picture as JPEG" if quality else "leaked picture"
            found.append(_again(one, kind, f"{place}-{time}", split="train", quality=quality))
    return found


def _mislabelled(found: list[Planted], sound: Sequence[Row], draw: np.random.Generator) -> list[Planted]:
    """With wrong answers beside right ones, of the same file and of one saved anew, and in the place of right ones."""
    order = draw.permutation(len(sound)).tolist()
    for time, place in enumerate(order[: 2 * WRONG]):
        kind = "wrong label beside the right one" + (", as JPEG" if time % 2 else "")
        made = _again(sound[place], kind, str(place), quality=75 if time % 2 else 0)
        found.append(Planted(kind, (_wrong(made.row[0], draw), made.row[1])))
    alone = {sound[place][0].id for place in order[2 * WRONG : 3 * WRONG]}
    return [
        Planted("wrong label alone", (_wrong(one.row[0], draw), one.row[1]))
        if not one.kind and one.row[0].id in alone
        else one
        for one in found
    ]


def _junk(captions: Sequence[Row]) -> list[Planted]:
    found = []
    for place in range(JUNK):
        short, german, other, donor = captions[4 * place : 4 * place + 4]
        found.append(Planted("caption of two words", (replace(short[0], answer="A scan."), short[1])))
        found.append(Planted("caption in German", (replace(german[0], answer=GERMAN), german[1])))
        if donor[0].answer != other[0].answer:
            kind = "caption of another picture"
            found.append(Planted(kind, (replace(other[0], answer=donor[0].answer), other[1])))
    return found


def _again(one: Row, kind: str, name: str, *, quality: int = 0, split: str = "") -> Planted:
    """The row once more, in a set that knows nothing of the first."""
    sample, pictures = one
    made = replace(
        sample,
        id=f"{kind} {name}",
        group=f"of another set {kind} {name}",
        split=split or sample.split,
    )
    return Planted(kind, (made, tuple(jpeg(each, quality) for each in pictures) if quality else pictures))


def _wrong(sample: Sample, draw: np.random.Generator) -> Sample:
    """With another answer of those that its task knows."""
    known = {"yes_no": ("yes", "no"), "mcq": tuple(sample.options), "numeric": ("0", "1", "2", "3")}
    others = [one for one in known[sample.question_type] if one != sample.answer]
    return replace(sample, answer=others[draw.integers(len(others))])


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    """As a JPEG of this quality shows it."""
    stream = io.BytesIO()
    picture.convert("L").save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert(picture.mode)
