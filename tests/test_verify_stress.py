"""The verifier on sentences written without looking at its rules: tests/data/verifier_stress, one file a round.

The fields are those of `lingshu score`, with the label `correct`. `policy: lenient` marks rows whose answer stands
unmarked: right in evaluation, not in training.
"""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lingshu_train.verify import Item, Policy, gold_problem, verify

ROUNDS = sorted((Path(__file__).parent / "data" / "verifier_stress").glob("*.jsonl"))
ALLOWED_FALSE_NEGATIVES = 0.02


BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "verifier.py"


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def item(row: dict[str, Any]) -> Item:
    return Item(
        question=row["question"],
        question_type=row["question_type"],
        answer=row["answer"],
        options=row["options"] or {},
        aliases=tuple(row.get("aliases", ())),
        tol=row.get("tol"),
    )


@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize("path", ROUNDS, ids=lambda path: path.stem)
def test_no_wrong_answer_passes_and_few_right_ones_are_refused(path: Path, policy: Policy) -> None:
    accepted, refused, positives = [], [], 0
    for row in rows(path):
        right = row["correct"] and (policy is Policy.lenient or "policy" not in row)
        found = verify(row["response"], item(row), policy).correct
        positives += right
        if found != right:
            (accepted if found else refused).append(f"{row['id']}: {row['response'][-60:]!r}")
    assert not accepted
    assert len(refused) <= ALLOWED_FALSE_NEGATIVES * positives, refused


def test_the_rows_cover_every_type_and_language_and_can_be_trained_on() -> None:
    everything = [row for path in ROUNDS for row in rows(path)]
    assert len(everything) >= 2000
    kinds = Counter((row["question_type"], row["correct"]) for row in everything)
    types = ("mcq", "yes_no", "short", "numeric", "multi_select")
    assert all(kinds[kind, right] >= 60 for kind in types for right in (True, False))
    assert sum(not row["question"].isascii() for row in everything) >= 400
    assert len({(row["question"], row["answer"], row["response"]) for row in everything}) == len(everything)
    assert not [problem for row in everything if (problem := gold_problem(item(row)))]


@pytest.mark.parametrize("policy", list(Policy))
def test_no_answer_that_ignores_the_question_is_ever_right(policy: Policy) -> None:
    spec = importlib.util.spec_from_file_location("benchmark", BENCHMARK)
    assert spec is not None and spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    everything = {row["question"]: item(row) for path in ROUNDS for row in rows(path)}
    assert len(everything) >= 80
    accepted = [
        (name, one.question)
        for one in everything.values()
        for name, response in benchmark.templates(one).items()
        if verify(response, one, policy).correct
    ]
    assert len(benchmark.templates(item(rows(ROUNDS[0])[0]))) == 28
    assert not accepted
