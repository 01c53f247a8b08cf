"""Rows of the quickstart's corpus and faults planted among them: what `curation.py` counts the findings of."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from curating import caption, row
from PIL import Image, ImageDraw, ImageFont

from lingshu_train.data.corpus import corpus
from lingshu_train.record import Sample

EACH = 100
"""Rows planted of each kind."""
SIDE = 84
"""Pixels of a picture's side."""


@dataclass(frozen=True)
class Planted:
    """A row and what is wrong with it; empty: nothing."""

    kind: str
    sample: Sample
    pictures: tuple[Image.Image, ...]


def planted(base: corpus.Corpus, draw: np.random.Generator) -> Iterator[Planted]:
    """The rows of the quickstart, and faults of every kind."""
    whole = [(base.sample(n), base.pictures(n)) for n in range(len(base))]
    yield from (Planted("", sample, pictures) for sample, pictures in whole)
    train = [each for each in whole if each[0].split == "train" and each[1]]
    held = [each for each in whole if each[0].split == "held_out" and each[1]]
    some = iter([train[n] for n in draw.permutation(len(train))])
    asked = iter([held[n] for n in draw.permutation(len(held))])
    yield from _copies(some)
    yield from _leaks(asked, some)
    yield from _texts(draw)
    yield from _rows_of_their_own(some, draw)


def _copies(some: Iterator[tuple[Sample, tuple[Image.Image, ...]]]) -> Iterator[Planted]:
    changes: dict[str, Callable[[Image.Image], Image.Image]] = {
        "exact copy": lambda picture: picture,
        "JPEG of quality 50": lambda picture: _jpeg(picture, 50),
        "resized to 0.75": lambda picture: picture.resize((63, 63), Image.Resampling.LANCZOS),
    }
    for kind, change in changes.items():
        for n in range(EACH):
            sample, pictures = next(some)
            group = f"of another set {kind} {n}"
            yield Planted(kind, replace(sample, id=f"{kind} {n}", group=group), tuple(map(change, pictures)))
    for n in range(EACH):
        sample, (picture, *_) = next(some)
        # A slice one millimetre on: the same organ, a little moved, of the same study.
        moved = Image.blend(
            picture, picture.transform(picture.size, Image.Transform.AFFINE, (1, 0, 1, 0, 1, 0)), 0.5
        )
        yield Planted("next slice", replace(sample, id=f"next slice {n}"), (moved,))
    for n in range(EACH):
        sample, (picture, *_) = next(some)
        kind = "a lesion more"
        yield Planted(
            kind, replace(sample, id=f"{kind} {n}", group=f"of another set {n}"), (_lesion(picture, n),)
        )


def _leaks(
    asked: Iterator[tuple[Sample, tuple[Image.Image, ...]]],
    some: Iterator[tuple[Sample, tuple[Image.Image, ...]]],
) -> Iterator[Planted]:
    edge = SIDE // 20
    changes: dict[str, Callable[[Image.Image], Image.Image]] = {
        "benchmark picture": lambda picture: picture,
        "benchmark picture, JPEG of quality 60": lambda picture: _jpeg(picture, 60),
        "benchmark picture, 90 % of it": lambda picture: picture.crop((edge, edge, SIDE - edge, SIDE - edge)),
    }
    for kind, change in changes.items():
        for n in range(EACH):
            sample, pictures = next(asked)
            text = f"An image that number {n} of this collection shows in its section on {kind}"
            name, shown = f"{kind} {n}", tuple(map(change, pictures))
            yield Planted(kind, *caption(name, text, *shown, card=sample.card, modality=sample.modality))
    for n in range(EACH):
        sample, _ = next(asked)
        other, pictures = next(some)
        kind = "benchmark patient"
        text = f"An image of case {n}, which was taken on another day than those of the collection"
        made, _ = _like(other, pictures, text)
        # Names of patients mean the same within a card.
        yield Planted(kind, replace(made, id=f"{kind} {n}", card=sample.card, group=sample.group), pictures)


FINDINGS = (
    "nodule",
    "cyst",
    "opacity",
    "calcification",
    "mass",
    "cavity",
    "stricture",
    "effusion",
    "polyp",
    "plaque",
)
PLACES = (
    "lung",
    "kidney",
    "adrenal gland",
    "ovary",
    "breast",
    "thyroid",
    "maxillary sinus",
    "femur",
    "temporal bone",
)
MANNERS = (
    "smooth",
    "lobulated",
    "spiculated",
    "indistinct",
    "sharp",
    "irregular",
    "angular",
    "rounded",
    "notched",
)
NOUNS = [
    "margin",
    "contrast",
    "texture",
    "signal",
    "density",
    "contour",
    "wall",
    "vessel",
    "septum",
    "fluid",
    "fat",
    "cortex",
    "marrow",
    "fascia",
    "nerve",
    "duct",
]


def report(draw: np.random.Generator) -> str:
    """A made-up report of about fifty words."""
    pick = lambda words: words[draw.integers(len(words))]  # noqa: E731
    odd = " ".join(pick(NOUNS) for _ in range(14))
    return (
        f"A {draw.integers(3, 60)} mm {pick(FINDINGS)} of the right {pick(PLACES)} with {pick(MANNERS)} borders and no enhancement, "
        f"{odd}, the {pick(PLACES)} is of the usual size and the {pick(PLACES)} shows {pick(MANNERS)} change, which was described before"
    )


def _texts(draw: np.random.Generator) -> Iterator[Planted]:
    changes: dict[str, tuple[str, str]] = {
        "report with a word changed": ("described", "reported"),
        "report with another side": ("right", "left"),
        "report with another number": (" mm", "0 mm"),
        "report with a negation": ("and no enhancement", "and enhancement"),
    }
    for kind, (old, new) in changes.items():
        for n in range(EACH):
            text = report(draw)
            yield Planted("", *caption(f"report {kind} {n}", text, card="reports"))
            yield Planted(kind, *caption(f"{kind} {n}", text.replace(old, new), card="reports"))
    for n in range(EACH):
        question = f"In a patient whose scan shows {report(draw).lower()}, what is to be done next"
        yield Planted(
            "", *row(f"question {n}", question=question, answer="biopsy", split="held_out", card="reports")
        )
        kind = "benchmark question in a text"
        yield Planted(
            kind,
            *row(f"{kind} {n}", question=f"Read: {question}? Say why.", answer="biopsy it", card="reports"),
        )


GERMAN = (
    "Die Aufnahme zeigt eine Verschattung und ein Ödem auf der linken Seite, das Herz ist nicht vergrößert und es wird keine "
    "Kontrolle bei dem Patienten mit der Nummer {} für nötig gehalten."
)
PERSONS = (
    "Reviewed with Dr. Miller, film {} of the usual quality and without change since the last one.",
    "Compared with the film of 12/03/20{:02d} there is no change to be seen in either of the two lungs.",
    "MRN: 0048{:04d} the liver is of usual size and there is no free fluid in the abdomen at all.",
)


def _rows_of_their_own(
    some: Iterator[tuple[Sample, tuple[Image.Image, ...]]], draw: np.random.Generator
) -> Iterator[Planted]:
    for n in range(EACH):
        sample, pictures = next(some)
        made: dict[str, tuple[Sample, tuple[Image.Image, ...]]] = {
            "caption of two words": _like(sample, pictures, "A scan."),
            "caption in German": _like(sample, pictures, GERMAN.format(n)),
            "name or date": _like(sample, pictures, PERSONS[n % len(PERSONS)].format(n)),
            "text in the picture": _like(
                sample, (_lettered(pictures[0], draw),), f"A picture with number {n} burned into it"
            ),
            "blank picture": _like(
                sample, (Image.new("L", (SIDE, SIDE), 20 + n),), f"A picture with number {n} is blank"
            ),
            "screenshot": _like(
                sample, (_screenshot(pictures[0], n),), f"A screenshot with number {n} of a viewer"
            ),
            "modality in words alone": (
                replace(
                    _like(sample, pictures, f"An MRI of case {n}, T2-weighted, without a finding")[0],
                    modality="",
                ),
                pictures,
            ),
        }
        for kind, (each, shown) in made.items():
            yield Planted(kind, replace(each, id=f"{kind} {n}"), shown)
        answer = "no" if n % 2 else "yes"
        for name, said in (("contradiction", answer), ("contradicted", "yes" if answer == "no" else "no")):
            text = f"Is structure {n} seen?"
            asked, _ = row(
                f"{name} {n}", question=text, question_type="yes_no", answer=said, card=sample.card
            )
            yield Planted("contradiction", replace(asked, modality=sample.modality), pictures)


def _like(
    sample: Sample, pictures: tuple[Image.Image, ...], text: str
) -> tuple[Sample, tuple[Image.Image, ...]]:
    """A caption of the same study."""
    made, _ = caption(
        "", text, task="caption", card=sample.card, group=sample.group, modality=sample.modality
    )
    return made, pictures


def _lesion(picture: Image.Image, n: int) -> Image.Image:
    """A disc of 3 % of the side in radius, sixty grey levels brighter or darker than what is there."""
    values = np.asarray(picture.convert("L")).astype(np.int16)
    y, x = np.ogrid[:SIDE, :SIDE]
    spot = (y - 30 - n % 25) ** 2 + (x - 30 - n % 23) ** 2 <= (0.03 * SIDE) ** 2
    values[spot] += 60 if values[spot].mean() < 140 else -60
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _jpeg(picture: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert(picture.mode)


def _lettered(picture: Image.Image, draw: np.random.Generator) -> Image.Image:
    made = picture.convert("L").resize((168, 168), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(made)
    for line, text in enumerate(("DOE JANE 1961", "HOSPITAL ST MARY")):
        font = ImageFont.load_default(size=int(draw.integers(10, 16)))
        pen.text((4, int(draw.integers(2, 40)) + 60 * line), text, fill=255, font=font)
    return made


def _screenshot(picture: Image.Image, n: int) -> Image.Image:
    made = Image.new("RGB", (200, 150), (200 - n % 50, 205, 215))
    pen = ImageDraw.Draw(made)
    pen.rectangle((0, 0, 200, 14), fill=(40, 70, 100 + n))
    pen.rectangle((130, 20, 196, 146), fill=(225, 225, 220))
    made.paste(picture.convert("RGB"), (20, 40))
    return made
