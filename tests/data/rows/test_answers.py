"""The type of an answer that nobody states: one rule, whatever the data set."""

from __future__ import annotations

import pytest

from lingshu_train.data.rows import answers
from lingshu_train.verify import Item, gold_problem

CASES = {
    "yes_no": ["Yes", "no", "NO.", "是", "否。"],
    "numeric": [
        "3",
        "-4",
        "3.5",
        "12 mm",
        "12mm",
        "1,200",
        "50%",
        "120/80 mmHg",
        "4.5 x 3 cm",
        "< 5 mm",
        "24 hours",
    ],
    "short": [
        *(
            "Heart.",
            "left lung",
            "two",
            "T2",
            "L5-S1",
            "2D echocardiogram",
            "1.5T MRI",
            "12th thoracic vertebra",
        ),
        *("No acute abnormality.", "mr - t1w w/gadolinium (intravenous contrast)", "左肺，右肺", "²", "..."),
        "Liver, Heart, Spleen, Lung, Left Kidney, Right Kidney",
    ],
    "free": [
        "A small nodule in the right lower lobe, no effusion.",
        "A small nodule in the right lower lobe, no effusion",
        "It is a cyst",
        "There is no pneumothorax.",
        "The heart is enlarged. No effusion.",
        "Yes, the heart is enlarged on this film.",
        "No effusion; no pneumothorax",
        "右肺下叶可见一小结节，边界清晰，未见胸腔积液，心影不大。",
        "Findings:\nclear",
    ],
}


@pytest.mark.parametrize(("kind", "answer"), [(kind, answer) for kind in CASES for answer in CASES[kind]])
def test_an_answer_is_yes_or_no_or_a_quantity_or_a_few_words_or_free_text(kind: str, answer: str) -> None:
    found = answers.guess(answer, question="What is it?")
    assert found == kind
    if kind != "free" and answer not in ("...",):
        assert gold_problem(Item(question="What is it?", question_type=found, answer=answer)) is None


def test_what_a_question_counts_may_stand_behind_its_number() -> None:
    assert answers.guess("3 nodules", question="How many nodules are there?") == "numeric"
    assert answers.guess("3 nodules", question="What is seen?") == "short"


@pytest.mark.parametrize(
    ("word", "kind"), [("Yes/No", "yes_no"), ("multi select", "multi_select"), ("BBOX", "bbox")]
)
def test_a_stated_type_is_read_in_any_spelling_and_no_other_word_is(word: str, kind: str) -> None:
    assert answers.stated(word) == kind
    assert answers.stated("open") is None
