"""What a model is given of a sample, and what it is taught: every answer, pictures at their marks, reasoning in its form."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lingshu_train.data import chat
from lingshu_train.record import Sample

FREE = Sample(
    id="1", card="c", split="train", task="t", question="What is it?", question_type="free", answer="A mass."
)
JUDGED = replace(FREE, question_type="short", answer="mass")
TAGS = "<think>It is round.</think><answer>A mass.</answer>"


def test_free_text_is_taught_as_it_stands_and_an_answer_that_can_be_judged_in_tags() -> None:
    assert chat.target(FREE) == "A mass."
    assert chat.target(JUDGED) == "<answer>mass</answer>"


def test_reasoning_is_taught_in_tags_before_free_text_too_unless_the_card_has_a_form_of_its_own() -> None:
    reasoned = replace(FREE, reasoning="It is round.")
    assert chat.target(reasoned) == TAGS
    own = replace(reasoned, form="## Thinking\n\n{reasoning}\n\n## Final Response\n\n{answer}")
    assert chat.target(own) == "## Thinking\n\nIt is round.\n\n## Final Response\n\nA mass."
    assert chat.target(replace(own, reasoning="Say {answer}.")).count("A mass.") == 1
    assert chat.target(replace(own, reasoning="")) == "A mass."


def test_all_answers_of_a_dialogue_have_the_form_of_its_last() -> None:
    turns = (("Where?", "left lung"), ("Sure?", "yes"))
    said = [m["content"] for m in chat.conversation(replace(JUDGED, turns=turns)) if m["role"] == "assistant"]
    assert said == ["<answer>left lung</answer>", "<answer>yes</answer>", "<answer>mass</answer>"]
    said = [m["content"] for m in chat.conversation(replace(FREE, turns=turns)) if m["role"] == "assistant"]
    assert said == ["left lung", "yes", "A mass."]
    assert chat.answers(replace(FREE, turns=turns)) == 3


def test_pictures_without_marks_stand_before_the_first_question() -> None:
    two = replace(FREE, images=("a", "b"), turns=(("Where?", "there"),))
    assert chat.taught(two, system="Be brief.") == (
        "given system: Be brief.\ngiven user: [image][image]Where?\ntaught assistant: there\n"
        "given user: What is it?\ntaught assistant: A mass."
    )


@pytest.mark.parametrize(
    ("sample", "read"),
    [
        ({"question": "Is <image> older than <image>?"}, ["Is [image] older than [image]?"]),
        (
            {"question": "And <image>this?", "turns": (("<image>What?", "A"),)},
            ["[image]What?", "And [image]this?"],
        ),
        (
            {"question": "Which is it?", "options": {"A": "<image>", "B": "like <image>", "C": "none"}},
            ["Which is it?\nA. [image]\nB. like [image]\nC. none"],
        ),
    ],
    ids=["inside a sentence", "in later turns", "in options"],
)
def test_pictures_stand_at_their_marks(sample: dict[str, object], read: list[str]) -> None:
    made = replace(FREE, images=("a", "b"), **sample)  # type: ignore[arg-type]
    asked = [line.removeprefix("given user: ") for line in chat.taught(made).split("\ngiven ")]
    shown = "\n".join(asked)
    assert all(text in shown for text in read)
    assert shown.count("[image]") == 2
    assert "<image>" not in "".join(str(message["content"]) for message in chat.prompt(made))
