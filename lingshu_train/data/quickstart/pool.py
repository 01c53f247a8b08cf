"""The pictures a question may be asked of, one sample's random stream, and what a question hands back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

import numpy as np
from PIL import Image

from lingshu_train.data.quickstart import lesions, views
from lingshu_train.data.quickstart.package_images import LabelledPicture
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.record import AnswerType

WIDE, CLOSE = (0.7, 1.0), (0.4, 0.75)
"""Zoom of a view: nearly the whole picture, or a part of it with tissue in most cells."""
GAMMA = (0.6, 1.6)
"""From clearly brighter to clearly darker, about as far each way: brightness alone shall tell no source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The pictures of one split, each cut to the body and squared for views of `side` pixels."""

    split: str
    side: int
    pictures: tuple[LabelledPicture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What a task's function gets: the pool, the sample's own random stream, and its number. `task` is what errors name."""

    task: str
    pool: Pool
    rng: np.random.Generator
    n: int

    def picture(self, wanted: Callable[[LabelledPicture], bool]) -> LabelledPicture:
        """A random picture among those wanted, of a random group: no volume crowds out the rest."""
        return self.one(self.group([picture for picture in self.pool.pictures if wanted(picture)]))

    def known(self, value: Callable[[LabelledPicture], str]) -> list[str]:
        """The values that occur in the pool, sorted, without the empty one. DataError: none does."""
        return sorted({found for picture in self.pool.pictures if (found := value(picture))}) or self._none()

    def group(self, pictures: Sequence[LabelledPicture]) -> list[LabelledPicture]:
        """Those of a random group. DataError: there are no pictures."""
        if not pictures:
            self._none()
        names = sorted({picture.group for picture in pictures})
        name = names[int(self.rng.integers(len(names)))]
        return [picture for picture in pictures if picture.group == name]

    def _none(self) -> NoReturn:
        raise DataError(
            f"questions.{self.task}: no picture of the cards in split {self.pool.split!r} is fit for question {self.n}; name "
            f"more cards, or leave {self.task} out"
        )

    def one(self, pictures: Sequence[LabelledPicture]) -> LabelledPicture:
        return pictures[int(self.rng.integers(len(pictures)))]

    def view(self, picture: LabelledPicture, zoom: tuple[float, float] = WIDE) -> Image.Image:
        return views.cut(picture.image, self.rng, side=self.pool.side, zoom=zoom)

    def toned(self, picture: LabelledPicture) -> Image.Image:
        return views.tone(views.blur(self.view(picture), self.rng), self.rng.uniform(*GAMMA))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A picture, its view, and the question's half of a Sample."""

    picture: LabelledPicture
    image: Image.Image
    question: str
    kind: AnswerType
    answer: str
    reasoning: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()


def pool(pictures: Iterable[LabelledPicture], split: str, *, side: int) -> Pool:
    """The split's pictures, ready to be cut. `side` is the views' side."""
    if side < 2 * lesions.CELL:
        raise RecipeError(f"image_size: {side} is too small for lesions; at least {2 * lesions.CELL} pixels")
    kept = (
        replace(item, image=views.square(views.body(item.image), side))
        for item in pictures
        if item.split == split
    )
    return Pool(split=split, side=side, pictures=tuple(kept))
