"""Questions with verifiable answers: the n-th sample of a task is a pure function of (seed, split, task, n).

Answers rotate with n, so that no constant answer does well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lingshu_train.data.cards.card import Card
from lingshu_train.data.quickstart import card_questions, flips, package_images, pixel_questions, two_steps
from lingshu_train.data.quickstart import pool as pools
from lingshu_train.data.quickstart.package_images import LabelledPicture
from lingshu_train.data.quickstart.pool import Answered, Draw, Pool
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.record import PAIR, Sample

Illustrated = tuple[Sample, tuple[Image.Image, ...]]
"""A sample and its pictures, which a corpus names when it writes them."""

TASKS: Mapping[str, Callable[[Draw], Answered]] = {
    "caption": card_questions.caption,
    "modality": card_questions.modality,
    "body_part": card_questions.body_part,
    "plane": card_questions.plane,
    "laterality": card_questions.laterality,
    "lesion_present": pixel_questions.lesion_present,
    "lesion_count": pixel_questions.lesion_count,
    "lesion_shade": pixel_questions.lesion_shade,
    "lesion_size": pixel_questions.lesion_size,
    "bright_share": pixel_questions.bright_share,
    **flips.FLIPS,
    **two_steps.TWO_STEPS,
}
PAIRED = (*flips.FLIPS, *two_steps.TWO_STEPS)
"""Tasks whose questions are halves of counterfactual pairs."""


def sample(pool: Pool, task: str, n: int, *, seed: int) -> Illustrated:
    """The n-th sample of a task: equal for equal (seed, split, task, n) and equal cards."""
    if task not in TASKS:
        raise RecipeError(f"questions: unknown task {task!r}; there are: {', '.join(TASKS)}")
    if not pool.pictures:
        raise DataError(f"no picture in split {pool.split!r}: name more data cards")
    # The two halves of a pair have one stream.
    pair = f"{pool.split}/{task}/pair-{n // 2:05d}" if task in PAIRED else ""
    key = hashlib.sha256(f"{seed}/{pair or f'{pool.split}/{task}/{n}'}".encode()).digest()
    made = TASKS[task](Draw(task=task, pool=pool, rng=np.random.default_rng(list(key)), n=n))
    return Sample(
        id=f"{pool.split}/{task}/{n:05d}",
        card=made.picture.card,
        split=pool.split,
        task=task,
        question=made.question,
        question_type=made.kind,
        answer=made.answer,
        options=dict(made.options),
        aliases=made.aliases,
        reasoning=made.reasoning,
        group=made.picture.group,
        modality=made.picture.modality,
        parents=(f"{PAIR}{pair}",) if pair else (),
    ), (made.image,)


class PictureQuestions:
    """What is asked of labelled pictures: those of a split are cut to the body when the first question comes."""

    def __init__(self, pictures: Iterable[LabelledPicture], *, side: int, seed: int) -> None:
        self._pictures, self._side, self._seed = tuple(pictures), side, seed
        self._pools: dict[str, Pool] = {}

    def sample(self, split: str, task: str, n: int) -> Illustrated:
        """The n-th sample of a task. `split` is the side of the cards on which its picture is."""
        if split not in self._pools:
            self._pools[split] = pools.pool(self._pictures, split, side=self._side)
        return sample(self._pools[split], task, n, seed=self._seed)


def questions(cards: Sequence[tuple[Card, Path]], *, side: int, seed: int) -> PictureQuestions:
    """Reads all pictures of the cards, each with the folder of its package."""
    found = (picture for card, root in cards for picture in package_images.pictures(card, root))
    return PictureQuestions(found, side=side, seed=seed)
