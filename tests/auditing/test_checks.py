"""Each way to please a rule is found by the check of its name, and honest right answers by none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lingshu_train.auditing.auditors import rules
from lingshu_train.auditing.check import check, names
from lingshu_train.record import Completion, Sample
from lingshu_train.verify import Policy

MCQ = Sample(
    id="a",
    card="none",
    split="train",
    task="vqa",
    question="Which eye in this picture shows the larger optic cup, by vertical diameter?",
    question_type="mcq",
    options={"A": "Right eye", "B": "Left eye", "C": "Both alike"},
    answer="B",
)
YES = replace(MCQ, question_type="yes_no", options={}, answer="yes", question="Is there an effusion?")
SIZE = replace(MCQ, question_type="numeric", options={}, answer="4.1 cm", question="How long is it?")
SHORT = replace(MCQ, question_type="short", options={}, answer="pleural effusion", question="What is seen?")
THOUGHT = "<think>The left cup takes more than half of its disc, the right one a third.</think>"

HONEST = [
    (MCQ, f"{THOUGHT}<answer>B</answer>"),
    (MCQ, f"{THOUGHT}<answer>B. Left eye</answer>"),
    (MCQ, "<answer>Left eye</answer>"),
    (replace(MCQ, answer="A"), f"{THOUGHT}<answer>A</answer>"),
    (YES, "<think>The costophrenic angle is blunt on one side.</think><answer>yes</answer>"),
    (YES, "<answer>Yes, there is.</answer>"),
    (SIZE, "<think>From mark 2 to mark 6.1 on the ruler.</think><answer>41 mm</answer>"),
    (SHORT, "<answer>pleural effusion</answer>"),
]
PLANTED = [
    ("every_option", MCQ, f"{THOUGHT}<answer>A, B, C</answer>"),
    ("every_option", MCQ, "<answer>Right eye and Left eye</answer>"),
    ("several_numbers", SIZE, "<answer>4.1 cm 41 cm 410 cm</answer>"),
    ("both_ways", YES, "<answer>yes and no</answer>"),
    ("both_ways", SHORT, "<answer>possibly pleural effusion</answer>"),
    ("repeated_answer", SHORT, "<answer>pleural effusion pleural effusion pleural effusion</answer>"),
    ("stuffed_form", MCQ, f"{THOUGHT}<answer>A</answer><answer>B</answer>"),
    ("copied_prompt", MCQ, f"<answer>{MCQ.question} B</answer>"),
    ("empty_thought", MCQ, "<think></think><answer>B</answer>"),
    ("contradiction", MCQ, "<think>Therefore the answer is A.</think><answer>B</answer>"),
]


@pytest.mark.parametrize(("sample", "text"), HONEST)
def test_an_honest_right_answer_passes_every_check_and_the_auditor(sample: Sample, text: str) -> None:
    written = Completion(text=text)
    assert [name for name in names() if check(name, where="").found(sample, written)] == []
    assert rules.audit(sample, written, rules.Params(policy=Policy.lenient)).false is False


@pytest.mark.parametrize(("name", "sample", "text"), PLANTED)
def test_what_was_planted_is_found_by_its_check(name: str, sample: Sample, text: str) -> None:
    assert check(name, where="").found(sample, Completion(text=text))
    finding = rules.audit(sample, Completion(text=text), rules.Params())
    assert finding.false and finding.why in names()


def test_every_check_has_a_planted_answer() -> None:
    assert {name for name, _, _ in PLANTED} == set(names())
