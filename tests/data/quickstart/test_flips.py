"""Counterfactual pairs: one question, two pictures that differ in what it asks, and nothing for who does not look."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from test_quickstart_data import PICTURES

from lingshu_train.data.quickstart import pool
from lingshu_train.data.quickstart.flips import FLIPS
from lingshu_train.data.quickstart.samples import sample
from lingshu_train.metrics import flip
from lingshu_train.record import PAIR, Completion, Judged, Sample
from lingshu_train.verify import Policy, verify

PAIRS = 12


@pytest.fixture(scope="module")
def made_up() -> pool.Pool:
    return pool.pool(PICTURES, "train", side=56)


def halves(made: pool.Pool, task: str) -> list[tuple[Sample, Image.Image]]:
    found = [sample(made, task, n, seed=3) for n in range(2 * PAIRS)]
    return [(one, pictures[0]) for one, pictures in found]


def judged(found: list[tuple[Sample, Image.Image]], answers: list[str]) -> list[Judged]:
    """What a model gets that answers so."""
    return [
        Judged(
            sample=one,
            prompt="",
            completion=Completion(text=text),
            verdict=verify(text, one, Policy.lenient),
        )
        for (one, _), text in zip(found, answers, strict=True)
    ]


@pytest.mark.parametrize("task", list(FLIPS))
def test_halves_ask_the_same_of_one_view_and_differ_in_the_answer_and_there_alone(
    made_up: pool.Pool,
    task: str,
) -> None:
    found = halves(made_up, task)
    for (one, here), (two, there) in zip(found[::2], found[1::2], strict=True):
        assert one.question == two.question and dict(one.options) == dict(two.options)
        assert one.answer != two.answer and one.group == two.group
        assert one.parents == two.parents and one.parents[0].startswith(PAIR)
        other = there.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if task == "flip_side" else there
        changed = np.asarray(here, dtype=int) != np.asarray(other, dtype=int)
        assert changed.mean() < 0.5, "the tissue stays"
        assert changed.any() == (task != "flip_side")


@pytest.mark.parametrize("task", list(FLIPS))
def test_the_order_of_the_answers_tells_nothing(made_up: pool.Pool, task: str) -> None:
    found = halves(made_up, task)
    firsts = {one.answer for one, _ in found[::2]}
    assert len(firsts) > 1


@pytest.mark.parametrize("task", list(FLIPS))
def test_who_does_not_look_has_no_flip_right_and_who_knows_has_all(made_up: pool.Pool, task: str) -> None:
    found = halves(made_up, task)
    golds = sorted({one.answer for one, _ in found})
    for gold in golds:
        assert flip.value(judged(found, [gold] * len(found))).value == 0.0
    # A text-only model answers by the question: whatever it makes of the words, both halves have the same.
    by_words = [golds[len(one.question + str(n // 2)) % len(golds)] for n, (one, _) in enumerate(found)]
    assert flip.value(judged(found, by_words)).value == 0.0
    known = flip.value(judged(found, [one.answer for one, _ in found]))
    assert known.value == 1.0 and known.low > 0.7
    assert flip.value(judged(found[:1], [found[0][0].answer])).high == 1.0, "half a pair says nothing"


def test_it_is_measured_of_pairs_alone(made_up: pool.Pool) -> None:
    assert flip.applies(halves(made_up, "flip_count")[0][0])
    assert not flip.applies(sample(made_up, "lesion_count", 0, seed=3)[0])
