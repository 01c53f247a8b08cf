"""The benchmarks of MedEvalKit that the paper has no score on: their cards read what is published, and refuse what is torn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from format_files import put, read
from published import further_exams
from published.tree import Served

from lingshu_train.data.cards import card as cards
from lingshu_train.data.rows import reading
from lingshu_train.data.rows.row import Row
from lingshu_train.errors import DataError
from lingshu_train.verify import gold_problem


def rows(folder: Path, tree: Callable[[Served], None], root: Path | None = None) -> list[Row]:
    """The rows that the card of a tree reads."""
    served = Served(folder)
    tree(served)
    card = cards.load(tree.__name__)
    return list(reading.open(card, root or served.hub(card.lingshu.source.name).root, split="test"))


def test_options_of_key_and_value_and_answers_of_several_letters_are_read(tmp_path: Path) -> None:
    one, several = (row.sample for row in rows(tmp_path, further_exams.cmexam_test))
    assert (one.question_type, one.answer, one.options["E"]) == ("mcq", "A", "肺")
    assert (several.question_type, several.answer) == ("multi_select", "B, C, D")
    assert gold_problem(several) is None


def test_answers_of_another_file_are_joined_by_id_and_questions_of_several_answers_left_out(
    tmp_path: Path,
) -> None:
    served = Served(tmp_path)
    further_exams.cmb_exam(served)
    root = served.hub("FreedomIntelligence/CMB").root
    answers = served.hub("wangrongsheng/open-book-CMB-exam").root / "CMB-test"
    answers.rename(root / "CMB-test")
    (row,) = reading.open(cards.load("cmb_exam"), root, split="test")
    assert (row.sample.question, row.sample.answer, row.sample.question_type) == ("泵血的器官是", "A", "mcq")


def test_a_question_without_an_answer_in_that_file_is_named(tmp_path: Path) -> None:
    put(tmp_path / "q.json", [{"id": 7, "question": "?", "options": ["a", "b"]}])
    put(tmp_path / "a.json", [{"id": 8, "answer": "A"}])
    with pytest.raises(DataError, match=r"q\.json:[0-9]+: id: '7' has no answer in a\.json"):
        read("mcq_text", tmp_path, {"files": {"train": "q.json"}, "answers": "a.json"})


@pytest.mark.parametrize("answer", ["AF", "AA", "Ab"])
def test_an_answer_that_is_no_set_of_options_is_refused(tmp_path: Path, answer: str) -> None:
    put(tmp_path / "q.json", [{"question": "?", "options": ["a", "b"], "answer": answer}])
    with pytest.raises(DataError, match="must be letters of A, B, each once"):
        read("mcq_text", tmp_path, {"files": {"train": "q.json"}, "answer_is": "letters"})


def test_rows_of_several_values_of_a_column_are_kept(tmp_path: Path) -> None:
    made = [
        {"task": task, "question": task, "options": ["a", "b"], "answer": "A"} for task in ("x", "y", "z")
    ]
    put(tmp_path / "q.json", made)
    kept = read("mcq_text", tmp_path, {"files": {"train": "q.json"}, "where": {"task": ["x", "z"]}})
    assert [row.sample.question for row in kept] == ["x", "z"]


def test_frames_stand_at_their_marks_and_share_a_video(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, further_exams.medframeqa)
    assert row.sample.question == "<image>What changes from <image> to <image>?"
    assert [picture.data for picture in row.images] == [
        further_exams.picture(110 + n, suffix="png") for n in (3, 2, 1)
    ]
    assert (row.sample.group, row.sample.answer, row.sample.options["C"]) == ("v7", "C", "number")


def test_questions_of_a_report_are_asked_of_each_of_its_films(tmp_path: Path) -> None:
    found = rows(tmp_path, further_exams.radrestruct_test, Served(tmp_path).by_hand().root)
    assert [row.images[0].name[-8:-4] for row in found] == ["1001"] * 3 + ["2001"] * 3
    assert [(row.sample.question_type, row.sample.answer) for row in found[:3]] == [
        ("yes_no", "yes"),
        ("mcq", "A"),
        ("multi_select", "A, C"),
    ]
    assert len({row.sample.id for row in found}) == 6 and {row.sample.group for row in found} == {"9001"}
    assert [gold_problem(row.sample) for row in found] == [None] * 6


@pytest.mark.parametrize(
    ("question", "fault"),
    [
        (
            ["Where?", ["middle"], [], {"options": ["left", "right"]}],
            "'middle' is none of the options left, right",
        ),
        (["Signs?", ["yes", "no"], [], {"options": ["yes", "no"]}], "is answered by yes and no"),
        (
            ["Where?", [], [], {"options": ["left", "right"]}],
            "must have its options and its answers as lists",
        ),
        (["Where?", ["left"]], "must be a list of question, answers"),
    ],
)
def test_a_question_of_a_report_that_is_torn_is_named(
    tmp_path: Path, question: list[object], fault: str
) -> None:
    place = tmp_path / "test_qa_pairs" / "9001.json"
    place.parent.mkdir()
    place.write_text(json.dumps([question]), encoding="utf-8")
    put(tmp_path / "id_to_img_mapping_frontal_reports.json", '{"9001": ["f"]}')
    with pytest.raises(DataError, match=fault):
        read("radrestruct_json", tmp_path, {"files": {"train": "test_qa_pairs/*.json"}})
