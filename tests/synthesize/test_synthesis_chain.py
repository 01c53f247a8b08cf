"""From raw sets to weights: a recipe whose data stages read what a teacher has made on the way, with no file put anywhere by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import curating
import pytest
import teaching
import tiny
from teaching import Asked

from lingshu_train import cli
from lingshu_train.data.corpus import corpus
from lingshu_train.errors import RecipeError
from lingshu_train.planning import outline, plan, recipe
from lingshu_train.stages import _kinds as kinds

CHAIN = ("synth_long_captions", "synth_vqa", "synth_ocr", "synth_cot", "synth_text_reasoning")


def reading(root: Path, made: dict[str, Path], **keys: Any) -> tuple[corpus.Corpus, dict[str, Any]]:
    """A prepare stage over the cards that stages have made."""
    config = {"kind": "prepare", "cards": list(made), "made": {card: f"by_{card}" for card in made}, **keys}
    parents = {f"by_{card}": folder for card, folder in made.items()}
    stage = tiny.make_stage(root, "data", config, parents=parents)
    facts = tiny.run_here(stage)
    return corpus.load(stage.path / "corpus"), dict(facts)


def test_what_a_teacher_has_made_is_read_as_the_rows_of_its_card(tmp_path: Path) -> None:
    rows, answers = teaching.questions(6)
    parent = curating.corpus(tmp_path / "raw", rows)
    with teaching.teaching(teaching.reasoner(answers)) as teacher:
        stage = teaching.stage(tmp_path, parent, teacher, write_files=True)
        tiny.run_here(stage)
    made = corpus.load(stage.path / "corpus").samples
    found, facts = reading(tmp_path, {"synth_cot": stage.path})
    read = found.samples
    assert [one.parents for one in read] == [one.parents for one in made]
    assert [one.reasoning for one in read] == [one.reasoning for one in made]
    assert [(one.card, one.answer, one.group, one.modality) for one in read] == [
        (one.card, one.answer, one.group, one.modality) for one in made
    ]
    assert "warnings" not in facts, "that the card states other numbers is no fault of what was made"
    first = corpus.load(stage.path / "corpus").pictures(0)[0]
    assert found.pictures(0)[0].tobytes() == first.tobytes(), "the picture is the one that was asked about"


def test_rewritten_dialogues_stand_for_a_card_whose_own_files_look_otherwise(tmp_path: Path) -> None:
    """The card reads Parquet with a column answer_icliniq, and states 7,321 rows."""
    talk = curating.row(
        "talk-1",
        question="My head hurts. What shall I do?",
        question_type="free",
        answer="Take rest.",
        card="icliniq_10k",
        modality="",
    )
    parent = curating.corpus(tmp_path / "raw", [talk])
    reply = (
        "I am sorry that your head hurts. Please rest and drink enough, and see a general practitioner or a neurologist if it "
        "stays. This is general information and no definite diagnosis."
    )
    safe = {"contradicts": False, "diagnoses": False, "prescribes": False, "refers": True, "disclaims": True}

    def rule(asked: Asked) -> str:
        step = asked.body["response_format"]["json_schema"]["name"]
        return json.dumps({"reply": reply} if step == "revise" else safe)

    with teaching.teaching(rule) as teacher:
        stage = teaching.stage(
            tmp_path, parent, teacher, "dialogue_cleaning", card="icliniq_10k", write_files=True
        )
        tiny.run_here(stage)
    found, _ = reading(tmp_path, {"icliniq_10k": stage.path})
    (only,) = found.samples
    assert (only.card, only.question, only.answer) == (
        "icliniq_10k",
        "My head hurts. What shall I do?",
        reply,
    )


def test_with_synthesis_the_sets_that_were_never_released_are_missing_no_more() -> None:
    before, after = plan.build(recipe.load("lingshu_7b")), plan.build(with_synthesis("lingshu_7b"))
    absent = {line.partition(" ")[0] for line in outline.missing_data(before)}
    left = {line.partition(" ")[0] for line in outline.missing_data(after)}
    assert set(CHAIN) <= absent
    assert not set(CHAIN) & left
    assert absent - left == set(CHAIN)
    assert {"abdomen_us", "healthcaremagic_100k"} <= left, "what they are made of is needed instead"
    content = {one.name: one.content for one in before.stages}
    same = {one.name for one in after.stages if content.get(one.name) == one.content}
    assert same == {"shallow_data", "shallow", "benchmarks"}, "what reads nothing made keeps its name"


def with_synthesis(name: str) -> recipe.Recipe:
    return recipe.load(name, ["+with=synthesis"])


@pytest.mark.parametrize("name", [name for name in recipe.names() if name.startswith("lingshu_")])
def test_every_recipe_of_the_paper_takes_the_synthesis_along(name: str) -> None:
    if name == "lingshu_synthesis":
        found = plan.build(recipe.load(name))
    elif name == "lingshu_7b_open":
        # It says that it does without these cards, and so it reads none of them.
        with pytest.raises(RecipeError, match="makes synth_long_captions, which `without` leaves out"):
            with_synthesis(name)
        return
    else:
        found = plan.build(with_synthesis(name))
        own = [one.name for one in plan.build(recipe.load(name)).stages]
        assert [one.name for one in found.stages][-len(own) :] == own
    made = {card for one in found.stages for card in dict(one.config.get("made") or {})}  # type: ignore[call-overload]
    asked = [one.name for one in found.stages if one.kind == "synthesize"]
    assert len(asked) == 7
    assert name == "lingshu_synthesis" or set(CHAIN) <= made


def test_without_a_teacher_nothing_is_begun() -> None:
    config = kinds.read(
        {
            "kind": "synthesize",
            "corpus": "raw",
            "pipeline": {"name": "ocr"},
            "card": "synth_ocr",
            "teacher": {},
        },
        where="stages.ocr",
    )
    with pytest.raises(RecipeError, match=r"stages\.ocr\.teacher: nobody to ask"):
        config.try_out("stages.ocr")


def test_a_card_can_only_be_made_by_a_stage_that_leaves_files() -> None:
    with pytest.raises(RecipeError, match=r"made\.synth_cot: stage 'cot' leaves no files"):
        plan.build(recipe.load("lingshu_7b", ["+with=synthesis", "stages.cot.write_files=false"]))
    with pytest.raises(RecipeError, match=r"stages\.rl_data\.made: 'synth_cot' is not among cards"):
        recipe.load("lingshu_7b", ["+with=synthesis", "+stages.rl_data.made.synth_cot=cot"])


def test_a_plan_says_who_makes_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "lingshu_7b", "+with=synthesis"]) == 0
    told = capsys.readouterr().out
    assert "synth_cot (made)" in told
    assert "made     synth_long_captions by long_captions" in told
