"""Questions answered by what was drawn into a picture or measured in it: lesions, share of bright pixels."""

from __future__ import annotations

from PIL import Image

from lingshu_train.data.quickstart import lesions, views
from lingshu_train.data.quickstart.package_images import LabelledPicture
from lingshu_train.data.quickstart.pool import CLOSE, Answered, Draw
from lingshu_train.errors import DataError

SHADES: dict[str, lesions.Shade] = {"A": "bright", "B": "dark"}
SIZES = {"A": "small", "B": "large"}
RADIUS = {"small": 3.5, "large": 8.0}
"""Pixels, at the two ends of what is seen well and stays inside a cell, so that size is told by sight and not by luck."""
SHARES = (10, 20, 30, 40, 50, 60, 70, 80)
"""Per cent, in the steps that are asked for. Nearer to 0 or 100 a brightness curve would have to flatten the picture."""
NUMBERS = ("no", "one", "two", "three")
ATTEMPTS = 200
"""Views of one group to try until one fits."""
GROUPS = 20
"""Groups to try: a picture that is mostly air may have no view for large discs."""


def lesion_present(draw: Draw) -> Answered:
    shade = _shade(draw)
    count = int(draw.rng.integers(1, 4)) if draw.n % 2 else 0
    picture, image = with_lesions(draw, count=count, shade=shade, radius=draw.rng.uniform(4, 8))
    return Answered(
        picture=picture,
        image=image,
        question="Is there a lesion in this image?",
        kind="yes_no",
        answer="yes" if count else "no",
        reasoning=f"I see {lesions_in_words(count, shade)}.",
    )


def lesion_count(draw: Draw) -> Answered:
    shade, count = _shade(draw), draw.n % 4
    picture, image = with_lesions(draw, count=count, shade=shade, radius=draw.rng.uniform(4, 8))
    return Answered(
        picture=picture,
        image=image,
        question="How many lesions are there?",
        kind="numeric",
        answer=str(count),
        reasoning=f"I see {lesions_in_words(count, shade)}.",
    )


def lesion_shade(draw: Draw) -> Answered:
    letter = "AB"[draw.n % 2]
    count = int(draw.rng.integers(1, 4))
    picture, image = with_lesions(draw, count=count, shade=SHADES[letter], radius=draw.rng.uniform(4, 8))
    return Answered(
        picture=picture,
        image=image,
        question="Is the lesion bright or dark?" if count == 1 else "Are the lesions bright or dark?",
        kind="mcq",
        answer=letter,
        options=SHADES,
        reasoning=f"I see {lesions_in_words(count, SHADES[letter])}.",
    )


def lesion_size(draw: Draw) -> Answered:
    letter = "AB"[draw.n % 2]
    picture, image = with_lesions(draw, count=1, shade=_shade(draw), radius=RADIUS[SIZES[letter]])
    return Answered(
        picture=picture,
        image=image,
        question="Is the lesion small or large?",
        kind="mcq",
        answer=letter,
        options=SIZES,
        reasoning=f"I see one {SIZES[letter]} lesion.",
    )


def bright_share(draw: Draw) -> Answered:
    """Measured in the view itself; its brightness curve is chosen so that all answers are equally common."""
    target = SHARES[draw.n % len(SHARES)]
    for _ in range(ATTEMPTS):
        picture = draw.picture(lambda item: True)
        image = views.toned_to_share(draw.view(picture), target / 100 + draw.rng.uniform(-0.03, 0.03))
        # Within four: at five, the nearest ten would be another.
        if image is not None and abs(views.bright_share(image) * 100 - target) <= 4:
            return Answered(
                picture=picture,
                image=image,
                question="What percentage of the image is bright, to the nearest ten?",
                kind="numeric",
                answer=str(target),
                reasoning=f"About {target} of 100 pixels are bright.",
            )
    raise DataError(
        f"questions.{draw.task}: no view in split {draw.pool.split!r} has {target} % of bright pixels"
    )


def with_lesions(
    draw: Draw, *, count: int, shade: lesions.Shade, radius: float
) -> tuple[LabelledPicture, Image.Image]:
    """A view with `count` discs: views of one group are tried until one has the room, then another group."""
    marked = [picture for picture in draw.pool.pictures if picture.lesions]
    for _ in range(GROUPS):
        canvases = draw.group(marked)
        for _ in range(ATTEMPTS):
            picture = draw.one(canvases)
            drawn = lesions.draw(draw.view(picture, CLOSE), draw.rng, count=count, shade=shade, radius=radius)
            if drawn is not None:
                return picture, drawn
    raise DataError(
        f"questions.{draw.task}: split {draw.pool.split!r}: no picture of a card with `lesions: true` has room for three "
        f"lesions of radius {radius:.1f} at {draw.pool.side} pixels; mark others, or raise image_size"
    )


def lesions_in_words(count: int, shade: lesions.Shade) -> str:
    """As "two bright lesions"."""
    return f"{NUMBERS[count]} {shade} lesion{'' if count == 1 else 's'}" if count else "no lesion"


def _shade(draw: Draw) -> lesions.Shade:
    return "bright" if draw.rng.integers(2) else "dark"
