"""The reward over a counterfactual pair: right on both pictures, whichever rank has which half."""

from __future__ import annotations

import json
from itertools import product
from math import prod
from typing import Any

import pytest

from lingshu_train.errors import RecipeError
from lingshu_train.record import PAIR, Completion, Sample
from lingshu_train.rewards import pair
from lingshu_train.rewards._compose import Composition, Total, compose, of_pairs
from lingshu_train.stages import _kinds as kinds

TERMS = Composition.model_validate({"terms": [{"name": "pair"}, {"name": "accuracy", "weight": 0.0}]})


def half(name: str, answer: str, *, of: str = "one") -> Sample:
    return Sample(
        id=name,
        card="drawn",
        split="train",
        task="t",
        question="Is there a lesion?",
        question_type="yes_no",
        answer=answer,
        parents=(f"{PAIR}{of}",) if of else (),
    )


HERE, THERE = half("here", "yes"), half("there", "no")


def said(*words: str) -> list[Completion]:
    return [Completion(text=f"<answer>{word}</answer>") for word in words]


def values(samples: list[Sample], completions: list[Completion]) -> list[float | None]:
    return [total.value for total in compose(TERMS)(samples, completions)]


def test_a_right_answer_earns_the_share_of_right_answers_to_the_other_picture() -> None:
    found = values([HERE] * 4 + [THERE] * 4, said("yes", "yes", "no", "yes", "no", "yes", "yes", "yes"))
    assert found == [0.25, 0.25, 0.0, 0.25, 0.75, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("yes", range(9))
def test_who_answers_both_pictures_alike_earns_at_most_a_quarter_and_who_looks_earns_all(yes: int) -> None:
    blind = said(*["yes"] * yes, *["no"] * (8 - yes))
    found = values([HERE] * 8 + [THERE] * 8, [*blind, *blind])
    assert sum(map(float, filter(None, found))) / 16 == pytest.approx(yes / 8 * (8 - yes) / 8)
    assert values([HERE] * 8 + [THERE] * 8, [*said(*["yes"] * 8), *said(*["no"] * 8)]) == [1.0] * 16


def test_a_group_earns_on_average_the_product_of_both_rates() -> None:
    """So that the expected gain of a step is the gradient of the chance that both are right."""
    found = values([HERE] * 8 + [THERE] * 8, said(*["yes"] * 6, *["no"] * 2, *["no"] * 4, *["yes"] * 4))
    assert [sum(map(float, filter(None, part))) / 8 for part in (found[:8], found[8:])] == [6 / 8 * 4 / 8] * 2


def test_the_expected_step_climbs_the_chance_that_both_are_right() -> None:
    """Every outcome of three completions to each half, weighed: with undivided advantages, as `dr_grpo` has them, the gradient by
    the first half's log-odds is that of p q, up to the share (n - 1) / n that a group's own mean takes of any reward."""
    p, q, size = 0.7, 0.4, 3
    found = 0.0
    for outcome in product((True, False), repeat=2 * size):
        here, there = outcome[:size], outcome[size:]
        chance = prod(p if one else 1 - p for one in here) * prod(q if one else 1 - q for one in there)
        completions = said(
            *("yes" if one else "no" for one in here), *("no" if one else "yes" for one in there)
        )
        got = [value or 0.0 for value in values([HERE] * size + [THERE] * size, completions)[:size]]
        mean = sum(got) / size
        slopes = [1 - p if one else -p for one in here]
        found += chance * sum((a - mean) * slope for a, slope in zip(got, slopes, strict=True)) / size
    assert found == pytest.approx((size - 1) / size * q * p * (1 - p))


def test_a_row_of_no_pair_earns_its_own_and_a_half_without_the_other_is_left_unscored() -> None:
    lone, lost = half("lone", "yes", of=""), half("lost", "yes", of="other")
    totals = compose(TERMS)([lone, lone, lost], said("yes", "no", "yes"))
    assert [total.value for total in totals] == [1.0, 0.0, None]
    assert totals[2].scores["pair"].status == "partner_missing"
    assert totals[2].scores["accuracy"].value == 1.0


def test_what_is_unscored_counts_for_neither_half() -> None:
    broken = half("here", "perhaps")
    totals = compose(TERMS)([broken, THERE], said("perhaps", "no"))
    assert [total.scores["pair"].status for total in totals] == ["invalid_gold", "partner_missing"]


def test_a_pair_that_stands_twice_in_a_window_has_one_share() -> None:
    found = values([HERE, THERE, HERE, THERE], said("yes", "no", "yes", "yes"))
    assert found == [0.5, 1.0, 0.5, 0.0]


@pytest.mark.parametrize("cut", [0, 3, 8, 11, 16])
def test_ranks_that_divide_a_window_come_to_what_one_process_does(cut: int) -> None:
    samples = [HERE] * 8 + [THERE] * 8
    completions = said(*["yes", "no", "yes", "yes"] * 2, *["no", "yes"] * 4)
    alone = compose(TERMS)(samples, completions)
    scorer = {"name": "accuracy", "weight": 1.0}
    own = compose(Composition.model_validate({"terms": [scorer]}))(samples, completions)
    parts = [
        [(s, one.scores["accuracy"]) for s, one in zip(samples[a:b], own[a:b], strict=True)]
        for a, b in ((0, cut), (cut, 16))
    ]
    found: list[Total] = []
    for rank, (a, b) in enumerate(((0, cut), (cut, 16))):

        def gather(mine: list[Any], rank: int = rank) -> tuple[list[list[Any]], int]:
            assert [sample for sample, _ in mine] == [sample for sample, _ in parts[rank]]
            return [list(part) for part in parts], rank

        found += compose(TERMS)(samples[a:b], completions[a:b], gather=gather)
    assert [total.value for total in found] == [total.value for total in alone]
    assert len({total.value for total in alone}) > 1


def test_it_is_known_by_what_it_defines() -> None:
    assert of_pairs(TERMS) == ["pair"]
    assert pair.together([], []) == []
    file = {"name": "pair", "file": "mine.py"}
    assert of_pairs(Composition.model_validate({"terms": [file]})) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rollout_prompts": 7, "update_prompts": 7, "per_device_batch": 7}, "rollout_prompts: 7 is odd"),
        ({"selection": {"size": 8}}, "selection: takes rows one by one"),
        ({"curriculum": {"candidates": 2}}, "curriculum: takes rows one by one"),
    ],
)
def test_what_would_part_the_halves_is_refused_by_its_key(changes: dict[str, Any], told: str) -> None:
    block = {
        "kind": "grpo",
        "base": "warm",
        "data": [{"corpus": "short"}],
        "train": ["language_model"],
        "learning_rate": {"language_model": 1e-3},
        "rewards": json.loads(TERMS.model_dump_json()),
        "steps": 4,
        "group_size": 2,
        "rollout_prompts": 8,
        "update_prompts": 8,
        "per_device_batch": 2,
        "max_completion": 8,
        "save_every": 4,
        **changes,
    }
    config = kinds.read(block, where="stages.rl")
    with pytest.raises(RecipeError, match=told):
        config.check("stages.rl")
