"""What curation finds of planted faults, and what its steps cost.

    python benchmarks/curation.py

Faults: the rows of the quickstart's corpus, drawn lesions in pictures of installed packages, with faults of stated kinds planted
among them, go through the steps of `recipes/curate/recommended.yaml`. Of each kind it is counted how many rows were found by a
step that is meant for it (recall); of each step's decisions, how many were of planted rows meant for it (precision). What is
found beside them is listed by step: some of it is real, since packages carry pictures twice. Rows that only look alike are
planted too, and none of them should go.

Rates: pictures and rows a second of each step, on one core, in processor time, which other work on the machine disturbs least.
The result is benchmarks/results/curation.json.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "support"), str(HERE)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import circumstances  # noqa: E402
import numpy as np  # noqa: E402
import tiny  # noqa: E402
import yaml  # noqa: E402
from curating import caption, row, table  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402

from lingshu_train.curate import _deciding, _hashes, _looks, _measuring, _rows, _steps  # noqa: E402
from lingshu_train.data.corpus import corpus  # noqa: E402
from lingshu_train.record import Sample  # noqa: E402

RESULT = HERE / "results" / "curation.json"
RECOMMENDED = HERE.parent / "recipes" / "curate" / "recommended.yaml"
EACH = 100
"""Rows planted of each kind."""
SIDE = 84
MEANT = {
    "exact copy": {"exact_duplicates"},
    "JPEG of quality 50": {"near_pictures"},
    "resized to 0.75": {"near_pictures"},
    "report with a word changed": {"near_text"},
    "benchmark picture": {"decontamination"},
    "benchmark picture, JPEG of quality 60": {"decontamination"},
    "benchmark picture, 90 % of it": {"decontamination"},
    "benchmark patient": {"decontamination"},
    "benchmark question in a text": {"decontamination"},
    "caption of two words": {"caption_length"},
    "caption in German": {"language"},
    "name or date": {"identifiers"},
    "contradiction": {"contradictions"},
    "text in the picture": {"picture_quality"},
    "blank picture": {"picture_quality"},
    "screenshot": {"picture_quality"},
    "modality in words alone": {"modality_words"},
}
"""Kinds of faults and the steps that are to find them."""
FRIENDS = (
    "report with another side",
    "report with another number",
    "report with a negation",
    "next slice",
    "a lesion more",
)
"""What only looks like a copy."""


@dataclass(frozen=True)
class Planted:
    """A row and what is wrong with it; empty: nothing."""

    kind: str
    sample: Sample
    pictures: tuple[Image.Image, ...]


def main() -> None:
    told = circumstances.told("numpy", "pillow", "pyarrow")
    with tempfile.TemporaryDirectory() as folder:
        found = faults(Path(folder))
        rates = {"pictures": picture_rates(), "rows": row_rates(Path(folder)), "join": join_rates()}
    RESULT.write_text(
        json.dumps({**told, "faults": found, "rates": rates}, indent=1) + "\n", encoding="utf-8"
    )
    print(RESULT.read_text(encoding="utf-8"))


def faults(folder: Path) -> dict[str, Any]:
    """Recall by kind and precision by step."""
    draw = np.random.default_rng(0)
    base = corpus.load(prepared(folder))
    rows = list(planted(base, draw))
    order = draw.permutation(len(rows))
    # Whatever copies a row of the corpus comes after it: which of two stays is their order's matter.
    rows = [rows[n] for n in sorted(order.tolist(), key=lambda n: bool(rows[n].kind))]
    raw = folder / "planted"
    tiny.write_corpus(raw / "corpus", [(one.sample, one.pictures) for one in rows])
    steps = yaml.safe_load(RECOMMENDED.read_text(encoding="utf-8"))["steps"]
    steps[-1]["params"]["splits"] = ["held_out"]
    config = {"kind": "curate", "corpus": "raw", "steps": steps, "most_withdrawn": 1.0}
    stage = tiny.make_stage(folder, "clean", config, parents={"raw": raw})
    before = time.process_time()
    tiny.run_here(stage)
    spent = time.process_time() - before
    return {"rows": len(rows), "of each kind": EACH, "core_s": round(spent, 1), **judged(rows, table(stage))}


def judged(rows: list[Planted], decisions: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = {one.sample.id: one.kind for one in rows}
    found = {(line["sample"], line["step"]) for line in decisions}
    totals = Counter(one.kind for one in rows)
    recall = {
        kind: round(
            sum((name, step) in found for name, of in kinds.items() if of == kind for step in steps)
            / totals[kind],
            3,
        )
        for kind, steps in MEANT.items()
    }
    steps: dict[str, dict[str, Any]] = {}
    for step in sorted({step for _, step in found}):
        hits = [kinds[name] for name, own in found if own == step]
        meant = sum(step in MEANT.get(kind, ()) for kind in hits)
        steps[step] = {
            "decided": len(hits),
            "precision": round(meant / len(hits), 3),
            "beside": dict(
                Counter(kind or "not planted" for kind in hits if step not in MEANT.get(kind, ()))
            ),
        }
    dropped = {line["sample"] for line in decisions if line["action"] == "drop"}
    friends = {kind: sum(kinds[name] == kind for name in dropped) for kind in FRIENDS}
    return {"recall": recall, "steps": steps, "false friends dropped": friends}


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
        yield Planted(kind, replace(made, id=f"{kind} {n}", group=sample.group), pictures)


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


def _report(draw: np.random.Generator) -> str:
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
            text = _report(draw)
            yield Planted("", *caption(f"report {kind} {n}", text, card="reports"))
            yield Planted(kind, *caption(f"{kind} {n}", text.replace(old, new), card="reports"))
    for n in range(EACH):
        question = f"In a patient whose scan shows {_report(draw).lower()}, what is to be done next"
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


def prepared(folder: Path) -> Path:
    """The corpus of the quickstart, with pictures of 84 pixels a side."""
    words = [
        "run",
        "quickstart",
        "pipeline=[data]",
        f"output={folder / 'run'}",
        f"stages.data.image_size={SIDE}",
    ]
    subprocess.run([sys.executable, "-m", "lingshu_train", *words], check=True, stdout=subprocess.DEVNULL)
    return next((folder / "run").glob("data-*")) / "corpus"


def picture_rates() -> dict[str, float]:
    """Pictures a second: decoded, and all that is measured of them."""
    found = {}
    for side in (84, 512, 1024):
        rough = Image.fromarray(
            np.random.default_rng(side).integers(0, 256, (side // 6, side // 6), dtype=np.uint8)
        )
        smooth = rough.resize((side, side), Image.Resampling.BICUBIC)
        for kind in ("PNG", "JPEG"):
            stream = io.BytesIO()
            smooth.save(stream, kind)
            data, count = stream.getvalue(), max(200_000 // side**2 * 10, 20)
            found[f"{kind} {side} x {side}"] = _rate(
                count,
                lambda data=data: _looks.measure(_opened(data)),  # type: ignore[misc]
            )
    return found


def _opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture


def _rate(count: int, once: Callable[[], object]) -> float:
    once()
    before = time.process_time()
    for _ in range(count):
        once()
    return round(count / (time.process_time() - before), 1)


def row_rates(folder: Path) -> dict[str, float]:
    """Rows a second of each step by itself, measuring included, on 20,000 reports without pictures."""
    draw, total = np.random.default_rng(1), 20_000
    made = [caption(f"r{n}", _report(draw), split="train" if n % 20 else "held_out") for n in range(total)]
    tiny.write_corpus(folder / "reports" / "corpus", made)
    sources = _rows.sources(folder / "reports" / "corpus")
    found = {}
    for step in yaml.safe_load(RECOMMENDED.read_text(encoding="utf-8"))["steps"]:
        choice = _steps.StepChoice.model_validate(step)
        if choice.name == "decontamination":
            choice = _steps.StepChoice(name=choice.name, params={"splits": ["held_out"]})
        before = time.process_time()
        work = _measuring.begin(folder / "rates", sources, (choice,), where="steps")
        _measuring.measure(work)
        _deciding.decide(work)
        found[str(choice)] = round(total / (time.process_time() - before))
    return found


def join_rates() -> dict[str, float]:
    """Seconds of the exact search for pairs within three bits, of random hashes."""
    found = {}
    for total in (100_000, 1_000_000):
        hashes = np.unique(np.random.default_rng(2).integers(0, 1 << 63, total, dtype=np.uint64))
        before = time.process_time()
        pairs = sum(len(one) for one, _ in _hashes.near(hashes, 3))
        found[f"{total:,} hashes, s"] = round(time.process_time() - before, 2)
        found[f"{total:,} hashes, pairs"] = pairs
    return found


if __name__ == "__main__":
    main()
