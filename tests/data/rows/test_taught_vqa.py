"""What is asked and taught of one row of each set of questions and reports, in words. The trees are those of
`support/published/`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from published import exams, reports, vqa
from published.tree import Served

from lingshu_train.data import chat
from lingshu_train.data.cards import card as cards
from lingshu_train.data.rows import reading

Writes = Callable[[Served], None]


def taught(folder: Path, tree: Writes, split: str = "train") -> list[str]:
    """What is given and taught of the rows that the card of a tree reads of a split."""
    served = Served(folder)
    tree(served)
    places = (served.by_hand().root, *folder.glob("hub/*"), *folder.glob("physionet/*"))
    root = next(place for place in places if place.is_dir())
    found = reading.open(cards.load(tree.__name__.partition("__")[0]), root, split=split)
    return [chat.taught(replace(row.sample, images=("",) * len(row.images))) for row in found]


def test_slake_teaches_the_answer_of_each_question_in_its_language_and_none_where_it_has_none(
    tmp_path: Path,
) -> None:
    assert taught(tmp_path, vqa.slake) == [
        "given user: [image]图片中包含肝脏吗?\ntaught assistant: <answer>包含</answer>",
        "given user: [image]Which organ is the largest?\ntaught assistant: <answer>Liver</answer>",
        "given user: [image]How many kidneys are in this image?\ntaught assistant: <answer>2</answer>",
    ]


def test_clean_slake_teaches_no_row_whose_picture_is_in_the_test(tmp_path: Path) -> None:
    said = taught(tmp_path, vqa.slake_clean)
    assert [line.partition("\n")[0] for line in said] == [
        "given user: [image]Which organ is the largest?",
        "given user: [image]How many kidneys are in this image?",
    ]


@pytest.mark.parametrize(
    ("tree", "answer"),
    [(vqa.vqa_rad, "yes"), (vqa.path_vqa, "yes"), (vqa.kvasir_vqa, "1")],
    ids=["vqa_rad", "path_vqa", "kvasir_vqa"],
)
def test_a_question_on_a_picture_teaches_its_answer_in_tags(
    tree: Writes, answer: str, tmp_path: Path
) -> None:
    question, said = taught(tmp_path, tree)[0].split("\n")
    assert question.startswith("given user: [image]")
    assert said == f"taught assistant: <answer>{answer}</answer>"


def test_pmc_vqa_teaches_the_letter_and_shows_options_without_the_letters_that_some_cells_carry(
    tmp_path: Path,
) -> None:
    assert taught(tmp_path, vqa.pmc_vqa)[0] == (
        "given user: [image]What does the scan show?\nA. Diffuse uptake\nB. Focal uptake\nC. No uptake\nD. Free air\n"
        "taught assistant: <answer>B</answer>"
    )


def test_an_mmmu_picture_stands_at_its_mark_in_question_or_option(tmp_path: Path) -> None:
    assert taught(tmp_path, exams.mmmu_med, "test")[0] == (
        "given user: [image]Which of the films fits the finding?\nA. [image]\nB. Raynaud's\nC. Neither\n"
        "taught assistant: <answer>A</answer>"
    )


def test_several_pictures_of_a_medxpertqa_question_stand_before_it_in_their_order(tmp_path: Path) -> None:
    said = taught(tmp_path, exams.medxpertqa_mm, "test")
    assert said[0].startswith("given user: [image][image]Which bone is broken in the films?\n")
    assert said[1].startswith("given user: [image]Which bone")


def test_made_up_reasoning_is_taught_before_its_answer_each_in_its_tags(tmp_path: Path) -> None:
    assert taught(tmp_path, vqa.synth_cot) == [
        "given user: [image]Is the heart large?\n"
        "taught assistant: <think>It fills the chest.</think><answer>Yes</answer>"
    ]


def test_made_up_questions_are_choices_that_a_rule_can_judge(tmp_path: Path) -> None:
    assert taught(tmp_path, vqa.synth_vqa) == [
        "given user: [image]Which organ is shown?\nA. Liver\nB. Lung\ntaught assistant: <answer>B</answer>"
    ]


def test_a_report_teaches_findings_and_impression_of_all_films_of_its_study_and_nothing_without_either(
    tmp_path: Path,
) -> None:
    said = taught(tmp_path, reports.chexpert_plus)
    asked = "Write the report of this examination, with findings and impression."
    assert said == [
        f"given user: [image]{asked}\ntaught assistant: Findings: Lines in place. Impression: Stable.",
        f"given user: [image][image]{asked}\ntaught assistant: Findings: None Impression: No acute disease.",
    ]


def test_an_empty_list_of_findings_is_taught_as_none(tmp_path: Path) -> None:
    folder = "MIMIC-Ext-MIMIC-CXR-VQA/dataset"
    assert folder in cards.load("mimic_ext_cxr_vqa").files["validation"]
    assert taught(tmp_path, reports.mimic_ext_cxr_vqa, "validation") == [
        "given user: [image]Which findings are seen?\ntaught assistant: <answer>none</answer>"
    ]
