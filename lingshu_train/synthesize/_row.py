"""A row of a corpus as a pipeline sees it, and a row that it makes."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image, ImageDraw

from lingshu_train.naming import digest
from lingshu_train.record import IMAGE_MARK, Sample
from lingshu_train.synthesize._request import Picture, once
from lingshu_train.verify import Policy, verify

GREY = 127
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row with its pictures. `number`: in the whole corpus. `beside`: rows of the same picture, where a pipeline takes them
    together; the first of them is this one."""

    number: int
    sample: Sample
    pictures: tuple[Picture, ...] = ()
    beside: tuple[Sample, ...] = ()

    @property
    def question(self) -> str:
        """The question with its options, a line each, without marks of pictures."""
        options = [f"{letter}. {text}" for letter, text in self.sample.options.items()]
        return "\n".join([self.sample.question, *options]).replace(IMAGE_MARK, "").strip()

    def right(self, answer: str) -> bool:
        """Whether the verifier takes an answer for right."""
        return verify(f"<answer>{answer}</answer>", self.sample, Policy.strict).correct


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A row that a pipeline made: the sample, and the pictures where they are not its parent's. Id, card, parents and group are
    set by whoever writes it down. `about`: what the table says of it beside."""

    sample: Sample
    pictures: tuple[Picture, ...] | None = None
    about: dict[str, str] = field(default_factory=dict)


def changed(row: Row, **fields: Any) -> Sample:
    """The row's sample with other fields."""
    return replace(row.sample, **fields)


def blank(picture: Picture) -> Picture:
    """A grey picture of the same size."""

    def load() -> bytes:
        return _png(Image.new("L", (picture.width, picture.height), GREY))

    return replace(picture, ref=f"blank {picture.width}x{picture.height}", load=once(load))


def boxed(picture: Picture, boxes: tuple[Box, ...]) -> Picture:
    """The picture with boxes drawn on it, in its own pixels."""

    def load() -> bytes:
        with Image.open(io.BytesIO(picture.load())) as opened:
            image = opened.convert("RGB")
        pen = ImageDraw.Draw(image)
        for left, top, right, bottom in boxes:
            pen.rectangle(
                (left, top, right - 1, bottom - 1), outline=(255, 0, 0), width=max(1, image.width // 200)
            )
        return _png(image)

    return replace(
        picture, ref=f"boxes {digest([picture.ref, [list(box) for box in boxes]])}", load=once(load)
    )


def drawn(image: Callable[[], Image.Image], *, ref: str, size: tuple[int, int]) -> Picture:
    """A picture of our own making."""
    return Picture(ref=ref, load=once(lambda: _png(image())), width=size[0], height=size[1])


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
