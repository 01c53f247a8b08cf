"""Planted copies of seven kinds are joined to their questions, each by its kind, and nothing else is."""

from __future__ import annotations

import io
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image

from lingshu_train.data.corpus import corpus
from lingshu_train.evaluation import kinship
from lingshu_train.evaluation.benchmarks import tiers
from lingshu_train.record import Sample

LONG = "A man of 54 years has had fever and a cough for nine days and now he is short of breath; which organism is most likely?"


def scan(number: int) -> Image.Image:
    small = np.random.default_rng(number).integers(0, 255, (7, 7), dtype=np.uint8)
    return Image.fromarray(small).resize((112, 112), Image.Resampling.BICUBIC).convert("RGB")


def saved(picture: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


def ask(name: str, **fields: str) -> Sample:
    about = {"card": "exam", "split": "test", "task": "organ", "question": "Which organ?", "answer": "lung"}
    return Sample(id=name, question_type="short", **{**about, **fields})  # type: ignore[arg-type]


def learned(name: str, **fields: object) -> Sample:
    return replace(ask(name, card="scans", split="train"), **fields)  # type: ignore[arg-type]


QUESTIONS = [
    (ask("bytes"), (scan(0),)),
    (ask("copy"), (scan(1),)),
    (ask("part"), (scan(2),)),
    (ask("patient", card="scans", group="patient 3"), (scan(3),)),
    (ask("text", question=LONG), ()),
    (ask("near text", question=LONG.replace("54", "71").replace("nine", "six")), ()),
    (ask("source"), (scan(5),)),
    *((ask(f"new {n}"), (scan(50 + n),)) for n in range(5)),
    (
        ask(
            "new text",
            question="Which vessel runs beside the thoracic duct on its way through the posterior mediastinum?",
        ),
        (),
    ),
]


def corpora(root: Path) -> tuple[corpus.Corpus, corpus.Corpus, corpus.Corpus]:
    taught = [
        (learned("t bytes"), (scan(0),)),
        (learned("t copy"), (saved(scan(1), 80),)),
        (learned("t part"), (scan(2).crop((6, 6, 106, 106)),)),
        (learned("t patient", group="patient 3"), (scan(40),)),
        (learned("t text", question=LONG.upper()), ()),
        (
            learned(
                "t near text",
                question="Read the case.",
                answer=f"{LONG.replace('54', '71').replace('nine', 'six')[:-1]} here.",
            ),
            (),
        ),
        (learned("t child", question="What did the teacher say of it?", parents=("between",)), ()),
        *((learned(f"t {n}", group=f"patient {60 + n}"), (scan(80 + n),)) for n in range(20)),
    ]
    older = [(learned("between", parents=("oldest",)), (scan(41),)), (learned("oldest"), (scan(5),))]
    for name, rows in (("taught", taught), ("older", older), ("exam", QUESTIONS)):
        tiny.write_corpus(root / name, rows)
    return corpus.load(root / "taught"), corpus.load(root / "older"), corpus.load(root / "exam")


def kinds(found: kinship.Kinship) -> dict[str, set[tuple[str, str]]]:
    told = defaultdict(set)
    for edge in found.edges:
        told[edge.asked].add((edge.kind, edge.taught))
    return dict(told)


def test_every_kind_is_told_with_the_row_that_shows_it(tmp_path: Path) -> None:
    taught, older, exam = corpora(tmp_path)
    found = kinship.of([taught], exam.samples, exam.image, above=[older])
    told = kinds(found)
    assert not found.fault
    assert told.pop("near text") >= {("near text", "t near text")}
    assert told == {
        "bytes": {("bytes", "t bytes")},
        "copy": {("near picture", "t copy")},
        "part": {("crop", "t part")},
        "patient": {("patient", "t patient")},
        "text": {("text", "t text")},
        "source": {("child", "t child")},
    }


def test_the_same_pixels_in_another_file_are_the_same(tmp_path: Path) -> None:
    _, _, exam = corpora(tmp_path)
    other = tmp_path / "bitmap"
    stream = io.BytesIO()
    scan(0).save(stream, "PNG", compress_level=1, pnginfo=None)
    picture = replace(tiny.png(scan(0)), data=stream.getvalue(), digest="")
    assert picture.data != tiny.png(scan(0)).data
    from hashlib import sha256

    from lingshu_train.data.corpus.writer import Kept, Writer

    writer = Writer(other)
    writer.add(
        [
            Kept(
                sample=learned("resaved"),
                pictures=(replace(picture, digest=sha256(picture.data).hexdigest()),),
            )
        ]
    )
    writer.finish(licences={}, budget=tiny.BUDGET, control_tokens=())
    found = kinship.of([corpus.load(other)], exam.samples, exam.image)
    assert [(edge.kind, edge.asked) for edge in found.edges] == [("pixels", "bytes")]


def test_a_tier_is_that_of_the_strongest_edge(tmp_path: Path) -> None:
    taught, older, exam = corpora(tmp_path)
    behind = tiers.behind([taught], exam.samples, exam.image, above=[older])
    told = {id: tier for id, tier in behind.tier.items() if tier != "clean"}
    shared = ("bytes", "patient", "text", "source")
    assert told == {**dict.fromkeys(shared, "shared"), **dict.fromkeys(("copy", "part", "near text"), "near")}
    assert behind.kinds["child"] == behind.kinds["crop"] == 1
    assert behind.cards["source"] == {"scans"}


def test_a_child_of_the_question_itself_is_found_without_any_other_corpus(tmp_path: Path) -> None:
    _, _, exam = corpora(tmp_path)
    tiny.write_corpus(tmp_path / "made", [(learned("made", parents=("new text",)), ())])
    found = kinship.of([corpus.load(tmp_path / "made")], exam.samples, exam.image)
    assert [(edge.kind, edge.asked, edge.taught) for edge in found.edges] == [("child", "new text", "made")]


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("MOST_PICTURES", "near copies were not looked for"),
        ("MOST_PARTED", "parts of pictures were not looked for"),
        ("MOST_TEXTS", "runs of words were not looked for"),
    ],
)
def test_what_was_not_looked_for_is_told(
    limit: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught, older, exam = corpora(tmp_path)
    monkeypatch.setattr(kinship, limit, 2)
    found = kinship.of([taught], exam.samples, exam.image, above=[older])
    assert told in found.fault
    assert "bytes" in kinds(found), "what needs no opening is told in any case"
