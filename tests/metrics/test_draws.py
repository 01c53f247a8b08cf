"""pass@k and maj@k of several draws a question."""

from __future__ import annotations

from itertools import combinations

import pytest

from lingshu_train.metrics._draws import Draw, maj_at, pass_at, sizes


@pytest.mark.parametrize("right", range(7))
@pytest.mark.parametrize("k", [1, 2, 5, 6])
def test_pass_at_k_is_the_mean_over_all_choices_of_k_draws(right: int, k: int) -> None:
    draws = [Draw(str(n), n < right) for n in range(6)]
    choices = list(combinations(draws, k))
    expected = sum(any(draw.right for draw in each) for each in choices) / len(choices)
    assert pass_at(draws, k) == pytest.approx(expected)


def test_the_majority_of_what_could_be_read_decides_and_the_first_of_a_tie() -> None:
    a, b, unread = Draw("A", False), Draw("B", True), Draw("", False)
    assert maj_at([a, b, b], 3) == 1.0
    assert maj_at([a, b], 2) == 0.0
    assert maj_at([unread, unread, b], 3) == 1.0
    assert maj_at([unread, unread], 2) == 0.0
    assert maj_at([a, b, b, b, a], 2) == 0.5, "two stretches of two, the last draw is left over"
    assert sizes(1) == (1,)
    assert sizes(6) == (1, 2, 4, 6)
    assert sizes(8) == (1, 2, 4, 8)
