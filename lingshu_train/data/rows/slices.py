"""A row's volumes become slices, and its pictures get names in the question: "slice 12 of 40", "prior"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lingshu_train.data.cards import patterns
from lingshu_train.data.images import stacks
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.data.images.volumes import Volume
from lingshu_train.data.images.windows import SPREAD, Choice
from lingshu_train.data.rows.line import Line, whole_number
from lingshu_train.data.rows.row import Picture, Row, SplitFiles
from lingshu_train.data.rows.volumes import Volumes
from lingshu_train.errors import DataError
from lingshu_train.record import IMAGE_MARK

DIGITS = 6
"""Of the number of a slice, at most."""


@dataclass(frozen=True, slots=True)
class Named:
    """A picture and what the question says of it; empty: nothing."""

    picture: Picture
    name: str


def laid_out(row: Row, line: Line, fields: SplitFiles) -> Row:
    """The row with the pictures that the model is shown. DataError: more of them than the card allows, another number than
    its `views`, or a volume that cannot be cut as it says."""
    if fields.views and len(fields.views) != len(row.images):
        raise line.error(
            "views", f"{len(fields.views)} names for {len(row.images)} pictures: {', '.join(fields.views)}"
        )
    if not fields.volume and not fields.views:
        _check(len(row.images), line, fields)
        return row
    names = fields.views or ("",) * len(row.images)
    found = [
        list(_shown(picture, name, line, fields)) for picture, name in zip(row.images, names, strict=True)
    ]
    _check(sum(map(len, found)), line, fields)
    images = tuple(one.picture for some in found for one in some)
    return _told(replace(row, images=images), found)


def _check(count: int, line: Line, fields: SplitFiles) -> None:
    if fields.most_pictures is not None and count > fields.most_pictures:
        raise line.error(
            "most_pictures", f"the row shows {count} pictures; the card takes {fields.most_pictures}"
        )


def _shown(picture: Picture, name: str, line: Line, fields: SplitFiles) -> Iterator[Named]:
    """The slices of a volume, or the picture itself."""
    wanted = fields.volume
    # A file that is not there is told where it is opened.
    there = picture.exists() or picture.is_series()
    if wanted is None or picture.excerpt is not None or not there:
        yield Named(picture, name)
        return
    with line.naming("volume"):
        stack = stacks.of(picture.path, picture.data, plane=wanted.plane)
        if stack is None:
            yield Named(picture, name)
            return
        chosen = spread_over(_candidates(picture, len(stack), line, wanted), wanted.most)
        window = _window(picture, stack.places[0], fields)
    for index in chosen:
        place = f"slice {index + 1} of {len(stack)}"
        excerpt = replace(stack.places[index], window=window)
        piece = replace(picture, name=f"{picture.name}#{index}", path=stack.files[index], excerpt=excerpt)
        yield Named(piece, f"{name}, {place}" if name else place)


def _window(picture: Picture, place: Excerpt, fields: SplitFiles) -> Choice:
    """Where the card's window is of the whole volume, it is found once and not for every slice."""
    if fields.window != SPREAD or place.plane is None:
        return None
    return Volume(picture.path or Path("image"), data=picture.data).spread()


def _candidates(picture: Picture, count: int, line: Line, wanted: Volumes) -> Sequence[int]:
    """Numbers of the slices, from 0, that may be shown."""
    if wanted.key:
        return _keys(line, wanted.key, count)
    if not wanted.mask:
        return range(count)
    assert picture.path is not None or picture.data
    if picture.path is None:
        raise DataError("a mask is looked for beside the volume's file, and this volume stands in the row")
    found = patterns.beside(picture.path, wanted.mask)
    if len(found) != 1:
        raise DataError(f"{len(found)} files match the mask {wanted.mask!r}, must be one")
    marked = Volume(found[0]).count(lambda values: values != 0, wanted.plane)
    if len(marked) != count:
        raise DataError(f"{found[0]}: has {len(marked)} {wanted.plane} slices, the volume {count}")
    numbers = [int(index) for index in marked.nonzero()[0]]
    if not numbers:
        raise DataError(f"{found[0]}: marks no slice")
    return numbers


def _keys(line: Line, column: str, count: int) -> Sequence[int]:
    """What the row's own column says, counted from 1 there."""
    told = line.values.get(column)
    listed = line.nested(column)
    several = isinstance(listed, Sequence) and not isinstance(listed, str | bytes)
    texts = line.texts(column, kind="slice") if several else line.text(column).replace(";", ",").split(",")
    numbers = [whole_number(text.strip(), digits=DIGITS) for text in texts]
    if any(number is None or not 1 <= number <= count for number in numbers):
        raise DataError(f"{column}: {told!r} must hold numbers of slices, 1 to {count}")
    return sorted({number - 1 for number in numbers if number is not None})


def spread_over(numbers: Sequence[int], most: int) -> list[int]:
    """At most so many of the numbers, in the middle of equal parts of them."""
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[(2 * part + 1) * len(numbers) // (2 * most)] for part in range(most)]


def _told(row: Row, found: Sequence[Sequence[Named]]) -> Row:
    """The row's texts with a name before each picture. Where no text says where pictures stand, they stand before the first."""
    sample, turns = row.sample, row.turns
    texts = [*(turn.question for turn in turns), sample.question, *sample.options.values()]
    lines = [
        "\n".join(f"{one.name}: {IMAGE_MARK}" if one.name else IMAGE_MARK for one in some) for some in found
    ]
    if not any(IMAGE_MARK in text for text in texts):
        texts[0] = "\n".join([*lines, texts[0]])
    else:
        rest = iter(lines)
        texts = [_filled(text, rest) for text in texts]
    asked = texts[len(turns)]
    options: Mapping[str, str] = dict(zip(sample.options, texts[len(turns) + 1 :], strict=True))
    earlier = tuple(replace(turn, question=text) for turn, text in zip(turns, texts, strict=False))
    return replace(row, sample=replace(sample, question=asked, options=options), turns=earlier)


def _filled(text: str, rest: Iterator[str]) -> str:
    first, *others = text.split(IMAGE_MARK)
    return first + "".join(next(rest) + other for other in others)
