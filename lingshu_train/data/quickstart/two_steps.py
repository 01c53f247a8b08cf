"""Questions that take two steps: count and compare, count or measure and hold against a bound, tell sizes and name a side.

Each is one half of a counterfactual pair, as in flips.py: the same view and places, and what the answer is about changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PIL import Image

from lingshu_train.data.quickstart import lesions, views
from lingshu_train.data.quickstart.flips import SIDES, Canvas, half
from lingshu_train.data.quickstart.package_images import LabelledPicture
from lingshu_train.data.quickstart.pixel_questions import (
    ATTEMPTS,
    RADIUS,
    SHADES,
    lesions_in_words,
)
from lingshu_train.data.quickstart.pool import Answered, Draw
from lingshu_train.errors import DataError

ENOUGH = 2
"""Lesions that are asked for at least."""
BELOW, ABOVE = (0.25, 0.42), (0.58, 0.75)
"""Shares of bright pixels on either side of a half, far enough from it to be told by sight."""


def more(draw: Draw) -> Answered:
    """Three lesions of both shades: which are more. The other half has the shades exchanged."""
    canvas, letter = Canvas(draw), half(draw, ("A", "B"))
    many = SHADES[letter]
    few = SHADES["B" if letter == "A" else "A"]
    shades = (many, many, few)
    image = lesions.painted(
        canvas.view,
        [
            lesions.Disc(place, canvas.radius, shade)
            for place, shade in zip(canvas.places[:3], shades, strict=True)
        ],
    )
    return Answered(
        picture=canvas.picture,
        image=image,
        question="Are there more bright or more dark lesions?",
        kind="mcq",
        answer=letter,
        options=SHADES,
        reasoning=f"I see {lesions_in_words(2, many)} and {lesions_in_words(1, few)}.",
    )


def larger_side(draw: Draw) -> Answered:
    """A small and a large lesion on either side: where is the large one. The other half has the sizes exchanged."""
    canvas, letter = Canvas(draw), half(draw, ("A", "B"))
    middle = draw.pool.side / 2
    places = {
        side: next(place for place in canvas.places if (place[1] < middle) == (side == "A")) for side in SIDES
    }
    sizes = {side: "large" if side == letter else "small" for side in SIDES}
    image = lesions.painted(
        canvas.view,
        [lesions.Disc(places[side], RADIUS[sizes[side]], canvas.shade) for side in SIDES],
    )
    return Answered(
        picture=canvas.picture,
        image=image,
        question="On which side of the image is the larger lesion?",
        kind="mcq",
        answer=letter,
        options=SIDES,
        reasoning=" ".join(f"I see one {sizes[side]} lesion on the {SIDES[side]}." for side in SIDES),
    )


def enough(draw: Draw) -> Answered:
    """At least two lesions, or fewer; those that are in both halves lie where they lay."""
    canvas = Canvas(draw)
    few, many = int(draw.rng.integers(ENOUGH)), ENOUGH + int(draw.rng.integers(2))
    shown = half(draw, (few, many))
    return Answered(
        picture=canvas.picture,
        image=canvas.drawn(shown),
        question="Are there at least two lesions in this image?",
        kind="yes_no",
        answer="yes" if shown >= ENOUGH else "no",
        reasoning=f"I see {lesions_in_words(shown, canvas.shade)}.",
    )


def mostly_bright(draw: Draw) -> Answered:
    """More than half of the view bright, or less: one view under two brightness curves."""
    picture, views_of = _toned(draw)
    side = half(draw, (0, 1))
    share = round(100 * views.bright_share(views_of[side]), -1)
    return Answered(
        picture=picture,
        image=views_of[side],
        question="Is more than half of the image bright?",
        kind="yes_no",
        answer=("no", "yes")[side],
        reasoning=f"About {share:.0f} of 100 pixels are bright.",
    )


TWO_STEPS: Mapping[str, Callable[[Draw], Answered]] = {
    "two_more": more,
    "two_larger_side": larger_side,
    "two_enough": enough,
    "two_mostly_bright": mostly_bright,
}


def _toned(draw: Draw) -> tuple[LabelledPicture, tuple[Image.Image, Image.Image]]:
    """A view and its two tones: less than half of it bright, and more."""
    wanted = draw.rng.uniform(*BELOW), draw.rng.uniform(*ABOVE)
    for _ in range(ATTEMPTS):
        picture = draw.picture(lambda item: True)
        view = draw.view(picture)
        dark, bright = (views.toned_to_share(view, share) for share in wanted)
        if dark is None or bright is None:
            continue
        if views.bright_share(dark) <= BELOW[1] + 0.03 and views.bright_share(bright) >= ABOVE[0] - 0.03:
            return picture, (dark, bright)
    raise DataError(
        f"questions.{draw.task}: split {draw.pool.split!r}: no view can be both less and more than half bright; name more cards"
    )
