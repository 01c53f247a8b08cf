"""What a model was trained on, question by question: planted pictures, copies, patients and texts are found, and nothing else."""

from __future__ import annotations

import io
from dataclasses import replace
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


def nearest(taught: list[tuple[Sample, Image.Image]], picture: Image.Image) -> str:
    """The answer of the training row whose picture looks most like this one: a model that learns by heart, and no more."""
    seen = np.stack([np.asarray(each.resize((16, 16)), np.float64) for _, each in taught])
    far = ((seen - np.asarray(picture.resize((16, 16)), np.float64)) ** 2).sum(axis=(1, 2, 3))
    return taught[int(far.argmin())][0].answer


def test_a_contaminated_models_clean_tier_is_its_twins_while_its_whole_score_rises(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)

    def row(name: str, **about: str) -> Sample:
        return replace(question(name, **about), answer=("lung", "heart")[draw.integers(2)])

    asked = [(row(f"q{n}"), scan(n)) for n in range(60)]
    sound = [(row(f"t{n}", card="web"), scan(1000 + n)) for n in range(60)]
    leaks = [
        (replace(one, id=f"leak {one.id}", card="web"), again(shown) if n % 2 else shown)
        for n, (one, shown) in enumerate(asked[:24])
    ]
    fillers = [(row(f"f{n}", card="web"), scan(2000 + n)) for n in range(24)]
    sets = {"twin": [*sound, *fillers], "contaminated": [*sound, *leaks]}
    tiny.write_corpus(tmp_path / "exam", [(one, (shown,)) for one, shown in asked])
    exam = corpus.load(tmp_path / "exam")
    for arm, taught in sets.items():
        tiny.write_corpus(tmp_path / arm, [(one, (shown,)) for one, shown in taught])
    behind = {arm: tiers.behind([corpus.load(tmp_path / arm)], exam.samples, exam.image) for arm in sets}
    assert set(behind["twin"].tier.values()) == {"clean"}
    assert {id for id, tier in behind["contaminated"].tier.items() if tier != "clean"} == {
        f"q{n}" for n in range(24)
    }
    suite = Benchmark(name="exam", title="Exam", cards={"exam": "test"})
    lines = {
        arm: scores.line(
            suite,
            arm,
            [(one, Completion(text=nearest(taught, shown))) for one, shown in asked],
            behind["contaminated"],
        )
        for arm, taught in sets.items()
    }
    rise = {
        tier: lines["contaminated"].tiers[tier].lenient - lines["twin"].tiers[tier].lenient
        for tier in ("clean", "near", "shared")
    }
    assert lines["contaminated"].lenient - lines["twin"].lenient > 0.15
    assert lines["contaminated"].tiers["shared"].lenient == lines["contaminated"].tiers["near"].lenient == 1.0
    assert abs(rise["clean"]) < 0.1 < 0.3 < min(rise["near"], rise["shared"])
