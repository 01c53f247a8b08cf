"""What is drawn has the model's own chances, and what is greedy is the likeliest, however a model's folder asks to be decoded;
and one set of end tokens says everywhere that an answer is over."""

from __future__ import annotations

from pathlib import Path

import answering
import pytest
import rewarding
from independent import policy
from material import Material, Run

pytestmark = pytest.mark.slow

TOO_RARE = 1e-3
"""Of a p value; draws hang on the seed alone, so that a test that passes passes again."""


def test_first_tokens_are_drawn_with_the_models_own_chances(given: Material, shared: Path) -> None:
    found = answering.drawn(given, shared, draws=1500)
    assert (found.counts > 0).sum() > 20
    assert found.agreement(answering.TEMPERATURE) > TOO_RARE
    assert found.agreement(1.3 * answering.TEMPERATURE) < TOO_RARE, "the test would see another temperature"


def test_evaluation_writes_the_likeliest_token_again_and_again(given: Material, shared: Path) -> None:
    """Dialogues and several pictures among them, in batches padded on the left, with a cache."""
    found = answering.greedy(given, shared, rows=20, most=10)
    assert found["differ"] == []
    assert found["compared"] >= 0.9 * found["answers"] > 70


# Where an answer ends.


@pytest.fixture(scope="module")
def ends(given: Material) -> tuple[int, int]:
    """The family's end token, and one that the model writes often."""
    words = given.reader().words
    return words.token_to_id("<|im_end|>"), words.token_to_id("</answer>")


@pytest.fixture(scope="module")
def two_ends(given: Material, ends: tuple[int, int], shared: Path) -> Path:
    """A model whose answers are over at either of two tokens."""
    settings = {"eos_token_id": list(ends)}
    return answering.settled(given, shared / "oracle-two-ends", settings, source="warm")


@pytest.fixture(scope="module")
def ended(given: Material, two_ends: Path, shared: Path) -> Run:
    return answering.trained(given, two_ends, shared / "oracle-ended")


def test_rollouts_end_at_either_end_token(ended: Run, ends: tuple[int, int]) -> None:
    ids = ended.records[0]["windows"][0]["ids"]
    assert sum(one[-1] == ends[1] for one in ids) > 5
    assert not any(token in ends for one in ids for token in one[:-1])
    over = sum(one[-1] in ends for one in ids)
    assert ended.ledger[0]["truncated"] == pytest.approx(1 - over / len(ids))


def test_rewards_count_either_end_token_as_the_end(
    ended: Run, ends: tuple[int, int], given: Material
) -> None:
    """A truncated completion has the lowest reward of length there is, wherever it stopped."""
    window, rows, words = ended.records[0]["windows"][0], given.rows("short"), given.reader().words
    for number, ids, found in zip(window["rows"], window["ids"], window["rewards"], strict=True):
        own = policy.reward(
            words.decode(ids),
            rows[number].data["answer"],
            tokens=len(ids),
            ended=ids[-1] in ends,
            most=rewarding.LIMIT,
            margin=rewarding.MARGIN,
        )
        assert found == pytest.approx(rewarding.total(own))


def test_evaluation_ends_at_either_end_token(two_ends: Path, ends: tuple[int, int], given: Material) -> None:
    told = answering.answers(given, two_ends, "short", rows=12, batch=5, most=rewarding.LIMIT)
    model, weights = given.model("warm")
    for row, one in zip(given.rows("short")[:12], told, strict=True):
        prompt = given.reader().prompt(row)
        own, _ = policy.greedy(model, weights, prompt, ends=ends, most=rewarding.LIMIT)
        assert list(one.token_ids) == own
        assert one.truncated == (own[-1] not in ends)
    assert any(one.token_ids[-1] == ends[1] for one in told)
