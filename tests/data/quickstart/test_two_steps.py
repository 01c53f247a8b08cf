"""Questions of two steps: pairs whose answers follow from what was drawn, and which no constant answer gets right."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from test_quickstart_data import PICTURES

from lingshu_train.data.quickstart import lesions, pool, views
from lingshu_train.data.quickstart.samples import sample
from lingshu_train.data.quickstart.two_steps import TWO_STEPS
from lingshu_train.errors import DataError
from lingshu_train.metrics import flip
from lingshu_train.record import PAIR, Completion, Judged, Sample
from lingshu_train.verify import Policy, verify

PAIRS = 12


@pytest.fixture(scope="module")
def made_up() -> pool.Pool:
    return pool.pool(PICTURES, "train", side=56)


def rows(made: pool.Pool, task: str) -> list[tuple[Sample, Image.Image]]:
    found = [sample(made, task, n, seed=5) for n in range(2 * PAIRS)]
    return [(one, pictures[0]) for one, pictures in found]


def discs(image: Image.Image, shade: lesions.Shade) -> tuple[int, float, float]:
    """Pixels that discs of a shade cover, and where they are on the left and on the right."""
    grey = np.asarray(image.convert("L"), dtype=float)
    seen = grey > 200 if shade == "bright" else grey < 40
    middle = image.width // 2
    return int(seen.sum()), float(seen[:, :middle].sum()), float(seen[:, middle:].sum())


@pytest.mark.parametrize("task", list(TWO_STEPS))
def test_halves_ask_the_same_and_their_answers_differ(made_up: pool.Pool, task: str) -> None:
    found = rows(made_up, task)
    for (one, here), (two, there) in zip(found[::2], found[1::2], strict=True):
        assert (one.question, one.options, one.parents) == (two.question, two.options, two.parents)
        assert one.parents[0].startswith(PAIR) and one.answer != two.answer and one.group == two.group
        assert not np.array_equal(np.asarray(here), np.asarray(there))
    assert len({one.answer for one, _ in found[::2]}) > 1, "which comes first is drawn"


def test_more_lesions_of_a_shade_cover_more_pixels(made_up: pool.Pool) -> None:
    for one, image in rows(made_up, "two_more"):
        bright, dark = discs(image, "bright")[0], discs(image, "dark")[0]
        assert (bright > dark) == (one.answer == "A"), (bright, dark)


def test_the_larger_lesion_lies_where_the_answer_says(made_up: pool.Pool) -> None:
    for one, image in rows(made_up, "two_larger_side"):
        shade: lesions.Shade = "bright" if discs(image, "bright")[0] > discs(image, "dark")[0] else "dark"
        _, left, right = discs(image, shade)
        assert min(left, right) > 0 and (left > right) == (one.answer == "A")


def test_enough_is_two_by_the_trace_and_half_is_half_of_the_pixels(made_up: pool.Pool) -> None:
    for one, _ in rows(made_up, "two_enough"):
        assert (one.answer == "yes") == (" two " in one.reasoning or " three " in one.reasoning)
    for one, image in rows(made_up, "two_mostly_bright"):
        share = views.bright_share(image)
        assert abs(share - 0.5) > 0.05 and (share > 0.5) == (one.answer == "yes")


@pytest.mark.parametrize("task", list(TWO_STEPS))
def test_a_constant_answer_has_no_pair_right(made_up: pool.Pool, task: str) -> None:
    found = rows(made_up, task)
    for gold in {one.answer for one, _ in found}:
        judged = [
            Judged(
                sample=one,
                prompt="",
                completion=Completion(text=gold),
                verdict=verify(gold, one, Policy.lenient),
            )
            for one, _ in found
        ]
        assert flip.value(judged).value == 0.0
        assert sum(one.verdict.correct for one in judged) == PAIRS


def test_pictures_that_no_brightness_curve_can_turn_are_refused() -> None:
    black = pool.pool([picture for picture in PICTURES if picture.split == "train"][:0], "train", side=56)
    with pytest.raises(DataError, match="no picture in split 'train'"):
        sample(black, "two_mostly_bright", 0, seed=5)
