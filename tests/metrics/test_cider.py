"""CIDEr with the frequencies of its own references."""

from __future__ import annotations

import math

import pytest

from lingshu_train.metrics._cider import Cider, cider

GOLD = ["the lungs are clear", "the heart is large", "a small left effusion is seen"]


def test_a_copy_is_ten_what_shares_nothing_or_is_empty_zero() -> None:
    copied = cider(GOLD, GOLD)
    assert [one.cider for one in copied] == pytest.approx([10.0] * 3)
    assert [one.cider_d for one in copied] == pytest.approx([10.0] * 3)
    assert cider(["", " . ", "nothing of that"], GOLD) == [Cider()] * 3


def test_a_value_worked_out_by_hand() -> None:
    """Two words a text: `b` is in both references and weighs nothing, the others log 2."""
    (first, _) = cider(["a c", "d b"], ["a b", "d b"])
    # Words: (a, c) against (a, b): a alone is shared, so the cosine is log2² / (sqrt(2) log2 · log2). Pairs share nothing.
    assert first.cider == pytest.approx(10 * (1 / math.sqrt(2)) / 4)
    assert first.cider_d == pytest.approx(first.cider), "as long, nothing to clip"


def test_repeated_words_are_clipped_and_another_length_costs() -> None:
    said = ["the lungs are clear clear clear clear clear clear", *GOLD[1:]]
    one = cider(said, GOLD)[0]
    assert 0 < one.cider_d < 0.9 * one.cider
