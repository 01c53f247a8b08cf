"""Counterfactual pairs: the same drawn picture with the lesion taken away, moved to the other side, larger or in other number,
so that the right answer changes by rule and the question does not.

The n-th question of a task is one half of pair n // 2: both halves have one random stream, and so one view of one slice, one
shade and one place for each lesion; all that differs is what the answer is about. Which answer the first half has is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from PIL import Image

from lingshu_train.data.quickstart import lesions
from lingshu_train.data.quickstart.package_images import LabelledPicture
from lingshu_train.data.quickstart.pixel_questions import (
    ATTEMPTS,
    GROUPS,
    RADIUS,
    SHADES,
    SIZES,
    lesions_in_words,
)
from lingshu_train.data.quickstart.pool import CLOSE, Answered, Draw
from lingshu_train.errors import DataError

SIDES = {"A": "left", "B": "right"}
Place = tuple[float, float]
Half = TypeVar("Half")


class Canvas:
    """A view with room for three lesions of the largest radius, and where they would lie."""

    def __init__(self, draw: Draw) -> None:
        self.picture, self.view, self.places = _found(draw)
        self.shade = list(SHADES.values())[int(draw.rng.integers(2))]
        self.radius = float(draw.rng.uniform(4, 8))

    def drawn(self, count: int, *, radius: float = 0.0, shade: lesions.Shade | None = None) -> Image.Image:
        """The view with the first so many lesions."""
        return lesions.put(
            self.view, self.places[:count], radius=radius or self.radius, shade=shade or self.shade
        )


def present(draw: Draw) -> Answered:
    """Lesions, or the same view without them."""
    canvas, count = Canvas(draw), int(draw.rng.integers(1, 4))
    shown = half(draw, (count, 0))
    return Answered(
        picture=canvas.picture,
        image=canvas.drawn(shown),
        question="Is there a lesion in this image?",
        kind="yes_no",
        answer="yes" if shown else "no",
        reasoning=f"I see {lesions_in_words(shown, canvas.shade)}.",
    )


def count(draw: Draw) -> Answered:
    """Two numbers of lesions; those that are in both lie where they lay."""
    canvas = Canvas(draw)
    one, other = draw.rng.permutation(4)[:2].tolist()
    shown = half(draw, (one, other))
    return Answered(
        picture=canvas.picture,
        image=canvas.drawn(shown),
        question="How many lesions are there?",
        kind="numeric",
        answer=str(shown),
        reasoning=f"I see {lesions_in_words(shown, canvas.shade)}.",
    )


def size(draw: Draw) -> Answered:
    """One lesion, small or large, about one centre."""
    canvas, letter = Canvas(draw), half(draw, ("A", "B"))
    return Answered(
        picture=canvas.picture,
        image=canvas.drawn(1, radius=RADIUS[SIZES[letter]]),
        question="Is the lesion small or large?",
        kind="mcq",
        answer=letter,
        options=SIZES,
        reasoning=f"I see one {SIZES[letter]} lesion.",
    )


def shade(draw: Draw) -> Answered:
    """The same lesions, bright or dark."""
    canvas, number = Canvas(draw), int(draw.rng.integers(1, 4))
    letter = half(draw, ("A", "B"))
    return Answered(
        picture=canvas.picture,
        image=canvas.drawn(number, shade=SHADES[letter]),
        question="Is the lesion bright or dark?" if number == 1 else "Are the lesions bright or dark?",
        kind="mcq",
        answer=letter,
        options=SHADES,
        reasoning=f"I see {lesions_in_words(number, SHADES[letter])}.",
    )


def side(draw: Draw) -> Answered:
    """One lesion, and the picture mirrored."""
    canvas = Canvas(draw)
    image = canvas.drawn(1)
    here = "A" if canvas.places[0][1] < draw.pool.side / 2 else "B"
    letter = half(draw, ("A", "B"))
    return Answered(
        picture=canvas.picture,
        image=image if letter == here else image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        question="On which side of the image is the lesion?",
        kind="mcq",
        answer=letter,
        options=SIDES,
        reasoning=f"I see one lesion on the {SIDES[letter]}.",
    )


FLIPS: Mapping[str, Callable[[Draw], Answered]] = {
    "flip_present": present,
    "flip_count": count,
    "flip_size": size,
    "flip_shade": shade,
    "flip_side": side,
}


def half(draw: Draw, both: tuple[Half, Half]) -> Half:
    """What this half of the pair has of the two."""
    return both[(draw.n + int(draw.rng.integers(2))) % 2]


def _found(draw: Draw) -> tuple[LabelledPicture, Image.Image, list[Place]]:
    marked = [picture for picture in draw.pool.pictures if picture.lesions]
    for _ in range(GROUPS):
        canvases = draw.group(marked)
        for _ in range(ATTEMPTS):
            picture = draw.one(canvases)
            view = draw.view(picture, CLOSE)
            places = lesions.places(
                np.asarray(view.convert("L"), dtype=np.float64), draw.rng, max(RADIUS.values())
            )
            if len(places) >= lesions.ROOM:
                order = draw.rng.permutation(len(places)).tolist()
                return picture, view, [places[index] for index in order]
    raise DataError(
        f"questions.{draw.task}: split {draw.pool.split!r}: no picture of a card with `lesions: true` has room for three large "
        f"lesions at {draw.pool.side} pixels; mark others, or raise image_size"
    )
