"""Pictures with boxes, a Pascal VOC file of XML for each, to template questions: where, how many, is one there."""

from __future__ import annotations

import xml.etree.ElementTree as xml
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from pydantic import Field

from lingshu_train.data.cards import patterns
from lingshu_train.data.questions import templates
from lingshu_train.data.questions.templates import Subject
from lingshu_train.data.rows import folders, published
from lingshu_train.data.rows.line import Line, whole_number
from lingshu_train.data.rows.row import Origin, Row
from lingshu_train.errors import DataError

DIGITS = 9
"""Of a length in pixels; Python refuses to read numbers of some thousand digits."""

EMPTY = "a box of zero size"
"""The note of the rows of a picture that has one."""


class Fields(templates.Words):
    """What is labelled, and in which words it is asked."""

    labels: dict[str, str]
    """What the data set writes, and the words of the questions for it. For example `{nodule: a nodule}`."""
    images: folders.Folders
    """Patterns of the folders of the pictures; the first that has a picture. A text alone is one."""
    only: dict[str, str] = Field(default_factory=dict)
    """For each split the file that lists its pictures, without suffix; empty takes all."""
    counted: tuple[str, ...] = ()
    """Words for which every instance has its box, so that they can be counted; where some are named, only these are located."""
    skip_empty_boxes: bool = False
    """Known boxes of zero size do not cost the picture: what they mark is there, and neither counted nor located."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxed:
    """What stands in an annotation, (width, height) and (left, top, right, bottom) in pixels; and what to `ask` about.

    `unboxed`: labels of which an instance has a box of zero size.
    """

    image: str
    size: tuple[int, int]
    boxes: tuple[tuple[str, tuple[int, int, int, int]], ...]
    unboxed: frozenset[str] = frozenset()
    ask: Mapping[str, bool] = field(default_factory=dict)

    @property
    def labels(self) -> set[str]:
        return {label for label, _ in self.boxes} | self.unboxed


def lines(fields: Fields, origin: Origin) -> Iterator[Line]:
    """Every picture with its boxes, and which labels to ask about, balanced over the split."""
    wanted = fields.only.get(origin.split)
    listed = published.listed(origin.root, wanted) if wanted else None
    found = [
        _read(line, fields)
        for line in published.files(origin.root, fields.files[origin.split])
        if listed is None or patterns.composed(line.file.stem) in listed
    ]
    space = set(fields.labels.values())
    present = {line.file.stem: line.given(Boxed).labels for line in found if not line.fault}
    asked = templates.balanced([(name, there, space - there) for name, there in present.items()], origin.card)
    for line in found:
        ask = asked.get(line.file.stem, {})
        yield line if line.fault else replace(line, prepared=replace(line.given(Boxed), ask=ask))


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """The box of a label that has only one, the count of those that are all boxed, what is there, the modality."""
    boxed = line.given(Boxed)
    notes = (EMPTY,) if boxed.unboxed else ()
    for row in _rows(line, boxed, fields, origin):
        yield replace(row, notes=notes)


def _rows(line: Line, boxed: Boxed, fields: Fields, origin: Origin) -> Iterator[Row]:
    name = boxed.image
    subject = Subject(
        origin=origin,
        words=fields,
        image=folders.picture(line, "filename", folders.below(origin.root, fields.images), name=name),
        name=name,
    )
    for label, count in sorted(Counter(label for label, _ in boxed.boxes).items()):
        if label in boxed.unboxed:
            continue
        if count == 1 and (label in fields.counted or not fields.counted):
            yield subject.box(label, next(box for other, box in boxed.boxes if other == label), boxed.size)
        if label in fields.counted:
            yield subject.count(label, count)
    yield from subject.presence(boxed.ask)
    yield from subject.modality()


def _read(line: Line, fields: Fields) -> Line:
    """The line with picture, size and boxes; or with its fault."""
    try:
        return replace(line, prepared=_boxed(line, xml.parse(line.file).getroot(), fields))
    except xml.ParseError as fault:
        return replace(line, number=fault.position[0], fault=f"annotation: not XML: {fault}")
    except DataError as fault:
        return line.faulty(fault)


def _boxed(line: Line, tree: xml.Element, fields: Fields) -> Boxed:
    size = (_number(line, tree, "size/width"), _number(line, tree, "size/height"))
    boxes, unboxed = [], set[str]()
    for item in tree.iter("object"):
        written = item.findtext("name", "").strip()
        if written not in fields.labels:
            raise line.error("name", f"unknown label {written!r}; the card has: {', '.join(fields.labels)}")
        sides = ("bndbox/xmin", "bndbox/ymin", "bndbox/xmax", "bndbox/ymax")
        left, top, right, bottom = (_number(line, item, side) for side in sides)
        if fields.skip_empty_boxes and (left == right or top == bottom):
            unboxed.add(fields.labels[written])
            continue
        if not (0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]):
            raise line.error(
                "bndbox", f"{left, top, right, bottom} is no box in {size[0]} x {size[1]} pixels"
            )
        boxes.append((fields.labels[written], (left, top, right, bottom)))
    image = tree.findtext("filename", "").strip()
    return Boxed(image=image, size=size, boxes=tuple(boxes), unboxed=frozenset(unboxed))


def _number(line: Line, place: xml.Element, path: str) -> int:
    text = place.findtext(path, "").strip()
    number = whole_number(text, digits=DIGITS)
    if number is None:
        raise line.error(path, f"must be a whole number, got {text!r}")
    return number
