"""The verifier on sentences written without looking at its rules: tests/verify/stress_rounds, one file a round.

The fields are those of `lingshu score`, with the label `correct`. `policy: lenient` marks rows whose answer stands
unmarked: right in evaluation, not in training.
"""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from lingshu_train.verify import Policy, gold_problem, verify

ROUNDS = sorted((Path(__file__).parent / "stress_rounds").glob("*.jsonl"))
ALLOWED_FALSE_NEGATIVES = 0.02


BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "verifier.py"


def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark", BENCHMARK)
    assert spec is not None and spec.loader is not None
    # What the scripts share lies beside them.
    sys.path.append(str(BENCHMARK.parent))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


verifier = benchmark()


@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize("path", ROUNDS, ids=lambda path: path.stem)
def test_no_wrong_answer_passes_and_few_right_ones_are_refused(path: Path, policy: Policy) -> None:
    found = verifier.accuracy(verifier.read([path]), verifier.ours(policy), policy)
    assert found["false_positives"] == 0, found["missed"]
    assert found["false_negative_rate"] <= ALLOWED_FALSE_NEGATIVES, found["missed"]


def test_the_rows_cover_every_type_and_language_and_can_be_trained_on() -> None:
    everything = verifier.read(ROUNDS)
    assert len(everything) >= 2000
    kinds = Counter((row["question_type"], row["correct"]) for row in everything)
    types = ("mcq", "yes_no", "short", "numeric", "multi_select")
    assert all(kinds[kind, right] >= 60 for kind in types for right in (True, False))
    assert sum(not row["question"].isascii() for row in everything) >= 400
    assert len({(row["question"], row["answer"], row["response"]) for row in everything}) == len(everything)
    assert not [problem for row in everything if (problem := gold_problem(verifier.item_of(row)))]


@pytest.mark.parametrize("policy", list(Policy))
def test_no_answer_that_ignores_the_question_is_ever_right(policy: Policy) -> None:
    everything = {row["question"]: verifier.item_of(row) for row in verifier.read(ROUNDS)}
    assert len(everything) >= 80
    accepted = [
        (name, one.question)
        for one in everything.values()
        for name, response in verifier.templates(one).items()
        if verify(response, one, policy).correct
    ]
    assert all(len(verifier.templates(one)) == 28 for one in everything.values())
    assert not accepted
