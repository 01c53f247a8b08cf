"""Questions with verifiable answers about real pictures: the n-th sample of a task is a pure function of (seed, split, task, n).

Answers come from the card (modality, body part, plane), from the drawing (lesions) or from the pixels (bright share).
Answers rotate with n, so that no constant answer does well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from lingshu_train.data import lesions, views
from lingshu_train.data.formats.package_images import Picture, Split
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.record import AnswerType, Sample

NAMES: Mapping[str, tuple[str, ...]] = {
    "bone scan": ("bone scan", "bone scintigraphy", "scintigraphy"),
    "ct": ("CT", "computed tomography"),
    "fluorescence": ("fluorescence", "fluorescence microscopy"),
    "fundus photograph": ("fundus", "fundus photograph", "fundus photography"),
    "histology": ("histology", "histopathology", "immunohistochemistry"),
    "mammogram": ("mammogram", "mammography"),
    "mri": ("MRI", "MR", "magnetic resonance imaging"),
    "phase microscopy": ("phase", "phase microscopy"),
    "portal image": ("portal", "portal image", "portal imaging"),
    "ultrasound": ("ultrasound", "US", "sonography"),
    "x-ray": ("X-ray", "radiograph", "radiography"),
}
"""A card's modality: the answer that counts as right, then its aliases."""
WHOLE = ("bone scan", "mammogram")
"""Names that already stand for the picture: "a mammogram", not "a mammogram image"."""
PLANES = {"A": "axial", "B": "coronal", "C": "sagittal"}
SIDES = {"A": "left", "B": "right"}
SHADES: dict[str, lesions.Shade] = {"A": "bright", "B": "dark"}
SIZES = {"A": "small", "B": "large"}
RADIUS = {"small": 3.5, "large": 8.0}
SHARES = (10, 20, 30, 40, 50, 60, 70, 80)
NUMBERS = ("no", "one", "two", "three")
ATTEMPTS = 200
WIDE, CLOSE = (0.7, 1.0), (0.4, 0.75)
"""Zoom of a view: nearly the whole picture, or a part of it with tissue in most cells."""

GAMMA = (0.6, 1.6)

Row = tuple[Sample, tuple[Image.Image, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The pictures of one split, each cut to the body and squared for views of `side` pixels."""

    split: Split
    side: int
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What a task's function gets: the pool, the sample's own random stream, and its number."""

    pool: Pool
    rng: np.random.Generator
    n: int

    def picture(self, wanted: Callable[[Picture], bool]) -> Picture:
        """A random picture among those wanted: first a group, so that no volume crowds out the rest, then one of its pictures."""
        return self.one(self.group([picture for picture in self.pool.pictures if wanted(picture)]))

    def group(self, pictures: Sequence[Picture]) -> list[Picture]:
        names = sorted({picture.group for picture in pictures})
        name = names[int(self.rng.integers(len(names)))]
        return [picture for picture in pictures if picture.group == name]

    def one(self, pictures: Sequence[Picture]) -> Picture:
        return pictures[int(self.rng.integers(len(pictures)))]

    def view(self, picture: Picture, zoom: tuple[float, float] = WIDE) -> Image.Image:
        return views.cut(picture.image, self.rng, side=self.pool.side, zoom=zoom)

    def toned(self, picture: Picture) -> Image.Image:
        return views.tone(views.blur(self.view(picture), self.rng), self.rng.uniform(*GAMMA))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A picture, its view, and the question's half of a Sample."""

    picture: Picture
    image: Image.Image
    question: str
    kind: AnswerType
    answer: str
    reasoning: str = ""
    options: Mapping[str, str] | None = None
    aliases: tuple[str, ...] = ()


def pool(pictures: Iterable[Picture], split: Split, *, side: int) -> Pool:
    """The split's pictures, ready to be cut. `side` is the views' side: a multiple of 28."""
    if side % lesions.CELL or side < 2 * lesions.CELL:
        raise RecipeError(f"image_size: {side} is not a multiple of {lesions.CELL} (at least {2 * lesions.CELL})")
    kept = (
        replace(item, image=views.square(views.body(item.image), side)) for item in pictures if item.split == split
    )
    return Pool(split=split, side=side, pictures=tuple(kept))


def samples(pool: Pool, task: str, count: int, *, seed: int) -> Iterator[Row]:
    """The first `count` samples of a task. The images are not yet named: a corpus does that when it writes them."""
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
        options=dict(made.options or {}),
        aliases=made.aliases,
        reasoning=made.reasoning,
        group=made.picture.group,
        modality=made.picture.modality,
    ), (made.image,)


def caption(draw: Draw) -> Answered:
    """Half of the captions have drawn lesions and say so."""
    if draw.n % 2:
        count, shade = draw.n // 2 % 4, list(SHADES.values())[draw.n // 8 % 2]
        picture, image = _with_lesions(draw, count=count, shade=shade, radius=draw.rng.uniform(4, 8))
        text = f"{_described(picture)} with {_lesions(count, shade)}."
    else:
        modalities = _known(draw.pool, lambda item: item.modality)
        wanted = modalities[draw.n // 2 % len(modalities)]
        picture = draw.picture(lambda item: item.modality == wanted)
        image, text = draw.toned(picture), f"{_described(picture)}."
    return Answered(picture=picture, image=image, question="Describe the image.", kind="free", answer=text)


def modality(draw: Draw) -> Answered:
    known = _known(draw.pool, lambda item: item.modality)
    wanted = known[draw.n % len(known)]
    picture = draw.picture(lambda item: item.modality == wanted)
    name, *aliases = NAMES[wanted]
    return Answered(
        picture=picture,
        image=draw.toned(picture),
        question="Which imaging modality is this?",
        kind="short",
        answer=name,
        aliases=tuple(aliases),
        reasoning=f"The image looks like {name}.",
    )


def body_part(draw: Draw) -> Answered:
    known = _known(draw.pool, lambda item: item.body_part)
    wanted = known[draw.n % len(known)]
    picture = draw.picture(lambda item: item.body_part == wanted)
    return Answered(
        picture=picture,
        image=draw.toned(picture),
        question="Which body part is shown?",
        kind="short",
        answer=wanted,
        reasoning=f"The image shows the {wanted}.",
    )


def plane(draw: Draw) -> Answered:
    """Heads only: they alone come in all three planes, and any other body part would give the plane away."""
    letter = "ABC"[draw.n % 3]
    picture = draw.picture(lambda item: item.plane == PLANES[letter] and item.body_part == "head")
    return Answered(
        picture=picture,
        image=draw.toned(picture),
        question="In which plane was this slice cut?",
        kind="mcq",
        answer=letter,
        options=PLANES,
        reasoning=f"The slice is {PLANES[letter]}.",
    )


def laterality(draw: Draw) -> Answered:
    """Breasts only: their side is in the header and can be seen from where the chest wall is."""
    letter = "AB"[draw.n % 2]
    picture = draw.picture(lambda item: item.laterality == SIDES[letter] and item.body_part == "breast")
    return Answered(
        picture=picture,
        image=draw.toned(picture),
        question="Is this the left or the right breast?",
        kind="mcq",
        answer=letter,
        options=SIDES,
        reasoning=f"The breast is the {SIDES[letter]} one.",
    )


def lesion_present(draw: Draw) -> Answered:
    shade: lesions.Shade = "bright" if draw.rng.integers(2) else "dark"
    count = int(draw.rng.integers(1, 4)) if draw.n % 2 else 0
    picture, image = _with_lesions(draw, count=count, shade=shade, radius=draw.rng.uniform(4, 8))
    return Answered(
        picture=picture,
        image=image,
        question="Is there a lesion in this image?",
        kind="yes_no",
        answer="yes" if count else "no",
        reasoning=f"I see {_lesions(count, shade)}.",
    )


def lesion_count(draw: Draw) -> Answered:
    shade: lesions.Shade = "bright" if draw.rng.integers(2) else "dark"
    count = draw.n % 4
    picture, image = _with_lesions(draw, count=count, shade=shade, radius=draw.rng.uniform(4, 8))
    return Answered(
        picture=picture,
        image=image,
        question="How many lesions are there?",
        kind="numeric",
        answer=str(count),
        reasoning=f"I see {_lesions(count, shade)}.",
    )


def lesion_shade(draw: Draw) -> Answered:
    letter = "AB"[draw.n % 2]
    count = int(draw.rng.integers(1, 4))
    picture, image = _with_lesions(draw, count=count, shade=SHADES[letter], radius=draw.rng.uniform(4, 8))
    return Answered(
        picture=picture,
        image=image,
        question="Is the lesion bright or dark?",
        kind="mcq",
        answer=letter,
        options=dict(SHADES),
        reasoning=f"I see {_lesions(count, SHADES[letter])}.",
    )


def lesion_size(draw: Draw) -> Answered:
    letter = "AB"[draw.n % 2]
    shade: lesions.Shade = "bright" if draw.rng.integers(2) else "dark"
    picture, image = _with_lesions(draw, count=1, shade=shade, radius=RADIUS[SIZES[letter]])
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
    """Measured from the pixels that the model sees; the brightness curve is chosen so that all answers are equally frequent."""
    target = SHARES[draw.n % len(SHARES)]
    for _ in range(ATTEMPTS):
        picture = draw.picture(lambda item: True)
        image = views.toned_to_share(draw.view(picture), target / 100 + draw.rng.uniform(-0.03, 0.03))
        if image is not None and abs(views.bright_share(image) * 100 - target) <= 4:
            return Answered(
                picture=picture,
                image=image,
                question="What percentage of the image is bright, to the nearest ten?",
                kind="numeric",
                answer=str(target),
                reasoning=f"About {target} of 100 pixels are bright.",
            )
    raise DataError(f"bright_share: no picture in split {draw.pool.split!r} can show {target} % of bright pixels")


TASKS: Mapping[str, Callable[[Draw], Answered]] = {
    function.__name__: function
    for function in (
        caption,
        modality,
        body_part,
        plane,
        laterality,
        lesion_present,
        lesion_count,
        lesion_shade,
        lesion_size,
        bright_share,
    )
}


def _with_lesions(draw: Draw, *, count: int, shade: lesions.Shade, radius: float) -> tuple[Picture, Image.Image]:
    """A view with `count` discs; other views are tried until one has the room."""
    canvases = draw.group([picture for picture in draw.pool.pictures if picture.lesions])
    for _ in range(ATTEMPTS):
        picture = draw.one(canvases)
        drawn = lesions.draw(draw.view(picture, CLOSE), draw.rng, count=count, shade=shade, radius=float(radius))
        if drawn is not None:
            return picture, drawn
    raise DataError(f"no view in split {draw.pool.split!r} has room for {count} lesions of radius {radius:.1f}")


def _known(pool: Pool, value: Callable[[Picture], str]) -> list[str]:
    return sorted({found for picture in pool.pictures if (found := value(picture))})


def _lesions(count: int, shade: lesions.Shade) -> str:
    return f"{NUMBERS[count]} {shade} lesion{'' if count == 1 else 's'}" if count else "no lesion"


def _described(picture: Picture) -> str:
    name = NAMES[picture.modality][0]
    words = f"{picture.plane} {name}".strip()
    article = "An" if words[0] in "aeiouAEIOU" or words.startswith(("MR", "X-")) else "A"
    where = f" of the {picture.body_part}" if picture.body_part else ""
    return f"{article} {words}{'' if name in WHOLE else ' image'}{where}"
