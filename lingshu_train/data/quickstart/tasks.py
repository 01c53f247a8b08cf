"""Questions with verifiable answers: the n-th sample of a task is a pure function of (seed, split, task, n).

Answers rotate with n, so that no constant answer does well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from PIL import Image

from lingshu_train.data.quickstart import card_questions, pixel_questions
from lingshu_train.data.quickstart.pool import Answered, Draw, Pool
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.record import Sample

Row = tuple[Sample, tuple[Image.Image, ...]]

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
}


def samples(pool: Pool, task: str, count: int, *, seed: int) -> Iterator[Row]:
    """The first `count` samples of a task. A corpus names the images when it writes them."""
    for n in range(count):
        yield sample(pool, task, n, seed=seed)


def sample(pool: Pool, task: str, n: int, *, seed: int) -> Row:
    """The n-th sample of a task: equal for equal (seed, split, task, n) and equal cards."""
    if task not in TASKS:
        raise RecipeError(f"questions: unknown task {task!r}; there are: {', '.join(TASKS)}")
    if not pool.pictures:
        raise DataError(f"no picture in split {pool.split!r}: name more data cards")
    key = hashlib.sha256(f"{seed}/{pool.split}/{task}/{n}".encode()).digest()
    made = TASKS[task](Draw(pool=pool, rng=np.random.default_rng(list(key)), n=n))
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
    ), (made.image,)
