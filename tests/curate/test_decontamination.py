"""What a benchmark asks is found in the rows to train on, by how surely it is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from curating import again, caption, decided, row, scene

STEP = {"name": "decontamination"}
QUESTION = "Which of these drugs lowers the pressure in the eye of a patient with asthma without closing the airways further"


def told(found: list[dict[str, Any]]) -> dict[str, tuple[str, str, str]]:
    return {line["sample"]: (line["action"], line["value"], line["evidence"]) for line in found}


def test_pictures_of_a_benchmark_are_told_by_tiers(tmp_path: Path) -> None:
    asked = [
        row("asked/1", scene(1), card="slake_test", group="p1"),
        row("asked/2", scene(2), card="slake_test", group="p2"),
    ]
    rows = [
        caption("same", "a", scene(1), card="slake"),
        caption("near", "b", again(scene(2), 60), card="slake"),
        caption("patient", "c", scene(3), card="slake", group="p1"),
        caption("another set's p1", "d", scene(4), card="vqa_rad", group="p1"),
        caption("other", "e", scene(5), card="slake"),
    ]
    assert told(decided(tmp_path, rows, STEP, benchmarks=asked)) == {
        "same": ("drop", "same", "asked/1"),
        "near": ("drop", "near", "asked/2"),
        "patient": ("flag", "shared", "asked/1"),
    }


def test_a_part_of_a_picture_is_pointed_out_where_it_is_looked_for(tmp_path: Path) -> None:
    whole = scene(1, 200)
    part = whole.crop((20, 20, 180, 180))
    asked = [row("asked", whole)]
    rows = [caption("part", "a", part), *(caption(f"other {n}", "b", scene(n)) for n in range(2, 30))]
    assert told(decided(tmp_path / "without", rows, STEP, benchmarks=asked)) == {}
    step = {**STEP, "params": {"crops": True}}
    assert told(decided(tmp_path / "with", rows, step, benchmarks=asked)) == {
        "part": ("flag", "crop", "asked")
    }


def test_a_question_is_found_by_its_words_where_there_is_no_picture(tmp_path: Path) -> None:
    form = "Choose the one best answer to the following question about medicine please"
    asked = [
        row("asked", question=QUESTION),
        *(row(f"form {n}", question=f"{form} w{n} x{n}") for n in range(25)),
        row(
            "with a picture",
            scene(1),
            question="What does this picture of the chest show in the lower left lobe",
        ),
    ]
    rows = [
        row("same", question=QUESTION.upper() + "?"),
        row("around", question="Read this. " + QUESTION + " now, please?", answer="Latanoprost"),
        row("part", question="A patient with asthma without closing the airways further"),
        row("form", question=f"{form} about lungs"),
        row(
            "other", question="What does the liver make of the drugs that it is given by mouth in the morning"
        ),
        row("picture", scene(2), question="What does this picture of the chest show in the lower left lobe"),
    ]
    assert told(decided(tmp_path, rows, STEP, benchmarks=asked)) == {
        "same": ("drop", "same", "asked"),
        "around": ("drop", "near", "asked"),
    }


def test_a_split_of_the_corpus_itself_can_be_what_is_asked(tmp_path: Path) -> None:
    rows = [
        row("train", scene(1)),
        row("held out", again(scene(1), 70), split="held_out"),
        row("held out too", again(scene(1), 50), split="held_out"),
    ]
    step = {**STEP, "params": {"splits": ["held_out"]}}
    assert told(decided(tmp_path, rows, step)) == {"train": ("drop", "near", "held out")}


def test_a_tier_goes_only_where_the_recipe_says_so_and_names_of_rows_count_within_a_source(
    tmp_path: Path,
) -> None:
    asked = [row("slake_test/test/xmlab1-q7", scene(1), card="slake_test")]
    rows = [
        row("slake/train/xmlab1-q7", scene(2), card="slake"),
        row("vqa_rad/train/xmlab1-q7", scene(3), card="vqa_rad"),
    ]
    step = {**STEP, "params": {"drop": []}}
    found = told(decided(tmp_path, rows, step, benchmarks=asked))
    assert found == {"slake/train/xmlab1-q7": ("flag", "same", "slake_test/test/xmlab1-q7")}
