"""What the report says of answers: which was given for which, on what parts of the questions, and where thinking differs."""

from __future__ import annotations

from pathlib import Path

import made_up_run
import pytest

from lingshu_train.report import closed, cuts, gather, page, provenance, thinking
from lingshu_train.report.closed import Answers
from lingshu_train.report.thinking import disagreement
from lingshu_train.runs.results import Prediction

LUNG = {"side": Answers(("left lung", "lung", "liver"), 3)}


def line(completion: str, *, type: str = "short", answer: str = "lung", **changes: object) -> Prediction:
    values = {"status": "wrong", "correct": False, "options": {}, "task": "side"} | changes
    return Prediction(
        id="1",
        card="",
        question="What is seen?",
        answer=answer,
        completion=completion,
        question_type=type,
        **values,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("thought", "answer", "named"),
    [
        ("The image shows the liver.", "lung", "liver"),
        ("The image shows the lung, not the liver.", "lung", ""),
        ("The image shows the left lung.", "lung", "left lung"),
        ("The image shows something.", "lung", ""),
        ("It looks fine.", "liver", ""),
    ],
)
def test_thinking_that_names_another_answer_of_the_task_is_flagged(
    thought: str, answer: str, named: str
) -> None:
    assert disagreement(line(f"<think>{thought}</think><answer>{answer}</answer>"), LUNG) == named


@pytest.mark.parametrize(
    ("thought", "answer", "named"),
    [
        ("I see one bright lesion.", "1", ""),
        ("I see one bright lesion.", "0", "1"),
        ("I see no lesion.", "0", ""),
        ("I see no lesion.", "2", "0"),
        ("About 20 of 100 pixels are bright.", "20", ""),
        ("About 80 of 100 pixels are bright.", "50", "80"),
    ],
)
def test_numbers_are_compared_as_numbers(thought: str, answer: str, named: str) -> None:
    said = line(f"<think>{thought}</think><answer>{answer}</answer>", type="numeric", answer="3")
    assert disagreement(said, {}) == named


@pytest.mark.parametrize(
    ("thought", "answer", "named"),
    [
        ("I see no dark lesion.", "yes", "no"),
        ("I see no dark lesion.", "no", ""),
        ("There is no effusion on the left side, while on the right a large one can be seen.", "yes", ""),
        ("Therefore the answer is no.", "yes", "no"),
    ],
)
def test_a_short_denial_and_a_yes_disagree_and_a_commitment_counts_in_any_trace(
    thought: str, answer: str, named: str
) -> None:
    said = line(f"<think>{thought}</think><answer>{answer}</answer>", type="yes_no", answer="yes")
    assert disagreement(said, {}).strip(" .") == named


def test_an_option_is_named_by_its_text_whatever_its_letter() -> None:
    options = {"A": "axial", "B": "coronal"}
    said = line(
        "<think>The slice is axial.</think><answer>B</answer>", type="mcq", answer="A", options=options
    )
    assert disagreement(said, {}) == "axial"
    same = line(
        "<think>The slice is axial.</think><answer>A</answer>", type="mcq", answer="A", options=options
    )
    assert disagreement(same, {}) == ""


@pytest.mark.parametrize("text", ["lung", "<think>liver</think>", "<answer>lung</answer>", ""])
def test_an_answer_without_thinking_or_without_an_end_disagrees_with_nothing(text: str) -> None:
    assert disagreement(line(text), LUNG) == ""


def test_a_flag_is_shown_beside_the_answer_counted_and_warned_of(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", questions=12)
    text = page.write(folder).read_text(encoding="utf-8")
    assert '<span class="flag">⚑ thinking names right</span>' in text
    view = gather.view(folder)
    flags = thinking.flags(view)
    count = sum(bool(disagreement(line, flags.known)) for line in view.rollouts["grpo"])
    assert count > 0
    said = f"grpo: in {count} of {len(view.rollouts['grpo'])} kept rollouts the thinking names another answer than the one given"
    assert said in provenance.warnings(view, flags)


def test_every_answer_stands_in_one_cell_and_right_ones_on_the_diagonal(tmp_path: Path) -> None:
    view = gather.view(made_up_run.build(tmp_path / "run"))
    tables = closed.confusions(view)
    assert {(each.task, each.model) for each in tables} == {
        (task, model) for task in made_up_run.TASKS for model in made_up_run.TRAINED
    }
    for each in tables:
        lines = [one for one in view.predictions[each.model] if one.task == each.task]
        assert sum(sum(row.counts) for row in each.rows) == sum(row.n for row in each.rows) == len(lines)
        diagonal = sum(row.counts[each.columns.index(row.word)] for row in each.rows)
        assert diagonal == sum(one.correct for one in lines)
        unread = [
            row.counts[each.columns.index(closed.UNREAD)]
            for row in each.rows
            if closed.UNREAD in each.columns
        ]
        assert sum(unread) == sum(one.status == "no_answer" for one in lines)


def test_options_are_counted_by_their_text_and_numbers_stand_in_order() -> None:
    mixed = [
        line("", answer="A", options={"A": "left", "B": "right"}),
        line("", answer="B", options={"A": "left", "B": "right"}),
        line("", answer="B", options={"A": "right", "B": "left"}),
    ]
    assert closed.answers(mixed)["side"].words == ("left", "right")
    numbers = [line("", answer=str(n)) for n in (10, 9, 1)]
    assert closed.answers(numbers)["side"].words == ("1", "9", "10")


def test_a_task_with_many_answers_gets_no_table_and_says_how_many_it_has() -> None:
    many = [line("", answer=f"finding {n}") for n in range(closed.MOST + 1)]
    assert closed.answers(many)["side"] == Answers((), closed.MOST + 1)


def test_a_wrong_spelling_of_the_right_answer_is_no_right_one() -> None:
    refused = line("", extracted="lung", status="wrong")
    assert closed.given(refused) == "lung (not taken as lung)"
    assert closed.given(line("", extracted="Liver", status="wrong")) == "liver"
    assert closed.given(line("", extracted="lung", status="truncated")) == closed.UNREAD


def test_questions_are_cut_by_what_divides_them(tmp_path: Path) -> None:
    view = gather.view(made_up_run.build(tmp_path / "run"))
    assert cuts.cuts(view) == [], "all of one modality, card and type"
    first = view.predictions["grpo"][0]
    object.__setattr__(first, "modality", "MR")
    (cut,) = cuts.cuts(view)
    assert cut.title == "modality"
    assert [(part.name, part.n) for part in cut.parts] == [("CT", 120), ("MR", 1)]
    measured = cut.parts[1].measured[-1]
    assert measured.value == float(first.correct)
    assert measured.low < measured.value or measured.high > measured.value


def test_cluster_and_source_are_said_in_words(tmp_path: Path) -> None:
    made_up_run.card(tmp_path / "cards", "scans")
    folder = made_up_run.build(tmp_path / "run", questions=12)
    text = page.write(folder, cards=tmp_path / "cards").read_text(encoding="utf-8")
    assert "Python package: pydicom_data, revision 1.0.0" in text
    assert "cluster.processes" in text
    assert "name=&#39;local&#39;" not in text and "name='local'" not in text


def test_the_prompt_is_what_the_model_got_and_no_copy_of_the_question(tmp_path: Path) -> None:
    from lingshu_train.report import gallery

    asked = line("", prompt="What is seen?")
    assert gallery.prompt(asked) == ""
    given = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n<|image_pad|>What is seen?<|im_end|>"
    assert gallery.prompt(line("", prompt=given)) == given
