"""How many bad rows a card may have: one rule for `prepare`, `check` and `data add`."""

from __future__ import annotations

from collections import Counter

import pytest

from lingshu_train.data.adding.trial import Trial
from lingshu_train.data.corpus import tolerance


@pytest.mark.parametrize(
    ("refused", "kept", "most", "passes"),
    [
        (0, 5, 0.0, True),
        (1, 4, 0.0, False),
        (1, 4, 0.01, True),
        (2, 3, 0.01, False),
        (2, 198, 0.01, True),
        (3, 198, 0.01, True),
        (4, 198, 0.01, False),
        # A card whose rows are all refused is wrong, however few they are.
        (1, 0, 0.01, False),
        (1, 0, 0.99, False),
        (5, 0, 0.99, False),
        (5, 0, 1.0, True),
        (0, 0, 0.0, True),
    ],
)
def test_a_share_is_rounded_up_and_never_to_all(refused: int, kept: int, most: float, passes: bool) -> None:
    assert tolerance.within(refused=refused, kept=kept, most=most) == passes
    told = tolerance.too_many("made", refused=refused, kept=kept, most=most, last="t.json:1: bad")
    assert (told == "") == passes
    trial = Trial(refused=refused, kept=Counter({"train": kept // 2, "held_out": kept - kept // 2}))
    assert trial.accepted(most) == passes, "a set that `data add` takes, `prepare` takes"
