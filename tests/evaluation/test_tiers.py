"""What a model was trained on, question by question: planted pictures, copies, patients and texts are found, and nothing else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image

from lingshu_train.data.corpus import corpus
from lingshu_train.evaluation import kinship
from lingshu_train.evaluation.benchmarks import scores, showing, tiers
from lingshu_train.evaluation.benchmarks.suite import Benchmark
from lingshu_train.record import Completion, Sample

LONG = "A man of 54 years has had fever and a cough for nine days; which organism is most likely?"


def scan(number: int) -> Image.Image:
    """A soft picture, as no two numbers show it."""
    small = np.random.default_rng(number).integers(0, 255, (6, 6), dtype=np.uint8)
    return Image.fromarray(small).resize((112, 112), Image.Resampling.BICUBIC).convert("RGB")


def again(picture: Image.Image) -> Image.Image:
    """Compressed anew."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return Image.open(stream).convert("RGB")


def question(name: str, *, card: str = "exam", group: str = "", text: str = "Which organ?") -> Sample:
    return Sample(id=name, card=card, split="test", task="organ", question=text, question_type="short", answer="lung",
                  group=group)  # fmt: skip


@pytest.fixture
def found(tmp_path: Path) -> tuple[tuple[Sample, ...], tiers.Behind]:
    taught = [(question(f"t{n}", card="scans", group=f"patient-{n}"), (scan(n),)) for n in range(6)]
    taught += [(question("t6", card="texts", text=f"  {LONG.upper()} "), ())]
    asked = [
        (question("same"), (scan(0),)),
        (question("copy"), (again(scan(1)),)),
        (question("other patient of that name", group="patient-2"), (scan(50),)),
        (question("patient", card="scans", group="patient-2"), (scan(51),)),
        (question("text", text=LONG), ()),
        (question("short text", text="Which organ?"), ()),
        *((question(f"new {n}"), (scan(100 + n),)) for n in range(4)),
    ]
    tiny.write_corpus(tmp_path / "taught", taught)
    tiny.write_corpus(tmp_path / "exam", asked)
    exam = corpus.load(tmp_path / "exam")
    return exam.samples, tiers.behind([corpus.load(tmp_path / "taught")], exam.samples, exam.image)


def test_every_planted_question_has_its_tier_and_its_card(
    found: tuple[tuple[Sample, ...], tiers.Behind],
) -> None:
    _, behind = found
    told = {id: tier for id, tier in behind.tier.items() if tier != "clean"}
    assert told == {"same": "shared", "copy": "near", "patient": "shared", "text": "shared"}
    assert behind.cards["same"] == behind.cards["copy"] == {"scans"}
    assert behind.cards["text"] == {"texts"}
    assert not behind.fault


def test_a_score_that_leaks_hold_up_falls_on_the_clean_tier(
    found: tuple[tuple[Sample, ...], tiers.Behind],
) -> None:
    samples, behind = found
    exam = Benchmark(name="exam", title="Exam", cards={"exam": "test"})
    answered = [
        (one, Completion(text="lung" if behind.tier[one.id] != "clean" else "heart")) for one in samples
    ]
    line = scores.line(exam, "ours", answered, behind)
    assert line.lenient == pytest.approx(4 / len(samples))
    assert {tier: (each.n, each.lenient) for tier, each in line.tiers.items()} == {
        "clean": (len(samples) - 4, 0.0),
        "near": (1, 1.0),
        "shared": (3, 1.0),
    }
    assert line.trained_cards == {"scans": 3, "texts": 1}
    assert "shared 100.0" in showing.table({"m": [line]})
    assert "met in scans 3, texts 1" in showing.table({"m": [line]})
    unknown = scores.line(exam, "ours", answered)
    assert "contamination not known" in showing.table({"m": [unknown]})


def test_too_many_training_pictures_are_said_and_not_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinship, "MOST_PICTURES", 2)
    tiny.write_corpus(tmp_path / "taught", [(question(f"t{n}"), (scan(n),)) for n in range(4)])
    tiny.write_corpus(
        tmp_path / "exam", [(question("same"), (scan(0),)), (question("copy"), (again(scan(1)),))]
    )
    exam = corpus.load(tmp_path / "exam")
    behind = tiers.behind([corpus.load(tmp_path / "taught")], exam.samples, exam.image)
    assert behind.tier == {"same": "shared", "copy": "clean"}
    assert "near copies were not looked for" in behind.fault


def test_a_stage_that_is_not_there_is_told_and_no_error(tmp_path: Path) -> None:
    assert "cannot be read" in tiers.of(tmp_path, [], {}.__getitem__).fault
