"""MedEvalKit's verdicts on 220 outputs, as its own code gave them, and each of its defects by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lingshu_train.evaluation import medevalkit
from lingshu_train.evaluation.medevalkit import Ruling
from lingshu_train.record import Sample

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent / "medevalkit_judged.jsonl").read_text(encoding="utf-8").splitlines()
]
DEGREES = ["no selection", "mild", "moderate", "severe"]


def ruled(row: dict[str, Any]) -> Ruling:
    rule, gold, response = row["rule"], row["gold"], row["response"]
    if rule.startswith("MMMU"):
        return medevalkit.mmmu(
            row["choices"] if "choices" in row else list(row["options"].values()), gold, response
        )
    if rule.startswith(("judge_multi_choice", "parse_response")):
        return medevalkit.choice(row["choices"], gold, response)
    if rule == "Radrestruct.multi_choice":
        return medevalkit.choice(DEGREES, "ABCD"[DEGREES.index(gold)], response)
    if rule in ("judge_judgement", "Radrestruct.single_choice"):
        return medevalkit.judgement(gold, response)
    return (medevalkit.closed if rule in ("judge_close_end_vqa", "SLAKE:zh") else medevalkit.opened)(
        gold, response
    )


@pytest.mark.parametrize("rule", sorted({row["rule"] for row in ROWS}))
def test_every_verdict_of_a_rule_is_its_own(rule: str) -> None:
    rows = [row for row in ROWS if row["rule"] == rule]
    unscored = [row["medevalkit"].get("guessed") or "error" in row["medevalkit"] for row in rows]
    expected = [
        None if out else row["medevalkit"]["correct"] for row, out in zip(rows, unscored, strict=True)
    ]
    assert [ruled(row).correct for row in rows] == expected


def test_there_are_rows_that_it_gets_wrong_and_rows_that_it_cannot_score() -> None:
    assert len(ROWS) == 220
    assert sum("error" in row["medevalkit"] for row in ROWS) >= 2
    assert {ruled(row).defect for row in ROWS} <= {*medevalkit.DEFECTS, ""}


def asked(question_type: str, answer: str, **changes: object) -> Sample:
    fields: dict[str, object] = {
        "id": "1",
        "card": "vqa_rad_test",
        "split": "test",
        "task": "vqa",
        "question": "Which?",
    }
    return Sample(**{**fields, "question_type": question_type, "answer": answer, **changes})  # type: ignore[arg-type]


def test_an_empty_answer_is_the_first_option_and_an_open_one_ends_in_an_error() -> None:
    choice = asked("mcq", "A", options={"A": "CT", "B": "MRI"})
    assert medevalkit.judge(choice, "") == Ruling(True, "most_similar")
    assert medevalkit.judge(asked("short", "liver"), " ") == Ruling(None, "empty_crashes")


def test_a_no_inside_a_word_counts_and_slake_asks_for_the_word_alone() -> None:
    assert medevalkit.judge(asked("yes_no", "no"), "a nodule").correct
    assert not medevalkit.judge(asked("yes_no", "yes"), "Yes, now visible").correct
    slake = asked("yes_no", "Yes", card="slake_test")
    assert medevalkit.judge(slake, "yes").correct
    assert not medevalkit.judge(slake, "yes, it is").correct
