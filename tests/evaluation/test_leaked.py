"""How many of a benchmark's questions ask about what a model was trained on, told beside its accuracy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tiny
from PIL import Image

from lingshu_train.data.cards.named_alike import named_alike
from lingshu_train.data.corpus import corpus
from lingshu_train.evaluation import leaked
from lingshu_train.evaluation.benchmarks import tiers
from lingshu_train.record import Sample
from lingshu_train.runs import results
from lingshu_train.runs import stage as stages
from lingshu_train.runs.stage import Stage


def question(number: int, *, card: str = "exam", group: str = "", split: str = "test") -> Sample:
    return Sample(
        id=f"{card}-{number}",
        card=card,
        split=split,
        task="count",
        question="How many bright spots?",
        question_type="numeric",
        answer="1",
        group=group,
    )


def new(number: int) -> Image.Image:
    return Image.new("RGB", (56, 56), (number, 255, 0))


def exam(folder: Path, base: Path) -> Path:
    """Three questions of the card `exam` on training pictures and five on others; one of `drawn` on a training group."""
    trained = corpus.load(base / "data" / "corpus", split="train")
    rows = [(question(n), trained.pictures(n)) for n in range(3)]
    rows += [(question(n, group=f"picture-{n}"), (new(n),)) for n in range(3, 8)]
    rows += [(question(n, card="drawn", group=f"picture-{n}"), (new(n),)) for n in (0, 999)]
    tiny.write_corpus(folder / "corpus", rows)
    return folder


def warm(base: Path) -> Stage:
    return stages.read(base / "warm" / "stage.json")


@pytest.mark.slow
def test_a_run_tells_for_each_card_how_many_questions_show_training_pictures(
    base: Path, tmp_path: Path
) -> None:
    config = {"kind": "evaluate", "models": ["warm"], "corpus": "exam", "split": "test", "max_completion": 4}
    parents = {"exam": exam(tmp_path / "exam", base), "warm": base / "warm"}
    stage = tiny.make_stage(tmp_path, "evaluate", config, parents=parents)
    facts = tiny.run_here(stage)
    measured = results.read(stage.path)
    told = {card: (line.leaked, line.n) for card, line in measured.cards["warm"].items()}
    assert told == {"exam": (3, 8), "drawn": (1, 2)}
    exam_line = measured.cards["warm"]["exam"]
    assert exam_line.unseen is not None and exam_line.unseen.n == 5
    assert sum(line.right for line in measured.cards["warm"].values()) == measured.models["warm"]["all"].right
    assert facts["leaks"] == list(measured.leaks)
    assert measured.leaks[1].startswith(
        "exam: 38% of its questions ask about a training picture of warm (3 of 8; warm "
    )


def test_what_the_model_before_was_trained_on_counts_too(base: Path, tmp_path: Path) -> None:
    config = tiny.sft(base="warm", data=[{"corpus": "other"}])
    tiny.write_corpus(tmp_path / "other" / "corpus", [(question(0, card="other", split="train"), (new(7),))])
    parents = {"warm": base / "warm", "other": tmp_path / "other"}
    later = tiny.make_stage(tmp_path, "later", config, parents=parents)
    samples = corpus.load(exam(tmp_path / "exam", base) / "corpus").samples
    assert leaked.of(warm(base), samples).flags == (True,) * 3 + (False,) * 5 + (True, False)
    assert leaked.of(later, samples).flags == (True,) * 3 + (False,) * 4 + (True,) * 2 + (False,)


def test_rows_that_the_recipe_filters_out_were_not_trained_on(base: Path, tmp_path: Path) -> None:
    samples = corpus.load(exam(tmp_path / "exam", base) / "corpus").samples
    made = warm(base)
    other = {**made.config, "data": [{"corpus": "short", "split": "held_out"}]}
    flags = leaked.of(made.model_copy(update={"config": other}), samples).flags
    assert flags == (False,) * 10


def test_equal_names_of_groups_count_between_cards_of_one_source_alone() -> None:
    assert named_alike("slake", "slake_test"), "of one folder"
    assert named_alike("mimic_ext_cxr_vqa", "mimic_cxr_test"), "one names the other in overlaps"
    assert not named_alike("slake", "vqa_rad_test")
    assert not named_alike("no_such_card", "slake")


def test_a_corpus_that_is_gone_is_told_and_ends_no_evaluation(base: Path, tmp_path: Path) -> None:
    for name in ("base", "warm"):
        shutil.copytree(base / name, tmp_path / name)
    gone = {"short": "/gone/short", "base": "/gone/base"}
    made = warm(base).model_copy(update={"folder": str(tmp_path / "warm"), "parents": gone})
    samples = corpus.load(exam(tmp_path / "exam", base) / "corpus").samples
    found = leaked.of(made, samples)
    assert found.flags is None
    assert found.fault.startswith("warm: not known which questions ask about training pictures: ")
    judged: list[leaked.Judged] = []
    assert leaked.by_card(judged, found) == {}
    # A run that was moved has its stages beside each other.
    shutil.copytree(base / "short", tmp_path / "short")
    assert leaked.of(made, samples).flags == leaked.of(warm(base), samples).flags


def test_results_without_cards_are_read_as_well(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"models": {}}')
    assert results.read(tmp_path).leaks == ()


def test_tiers_of_a_stages_model_are_told_from_its_corpora(base: Path, tmp_path: Path) -> None:
    found = corpus.load(exam(tmp_path / "exam", base) / "corpus")
    behind = tiers.of(base / "warm", found.samples, found.image)
    assert [behind.tier[one.id] for one in found.samples][:3] == ["shared"] * 3
    assert behind.tier["drawn-0"] == "shared" and behind.cards["exam-0"] == {"drawn"}
    assert list(behind.tier.values()).count("clean") == 6
