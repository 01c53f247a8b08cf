"""One bounding box: four numbers x1, y1, x2, y2 in the gold's pixels, right at an intersection over union
of `tol`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lingshu_train.verify.gold import GoldAnswer, GoldError, Ruling
from lingshu_train.verify.item import Key
from lingshu_train.verify.text.leads import without_lead_in
from lingshu_train.verify.text.normal import clean

Box = tuple[float, float, float, float]

# The threshold of object detection since PASCAL VOC; a card may ask for another.
DEFAULT_IOU = 0.5
_NUMBER = r"(-?[0-9]{1,9}(?:\.[0-9]{1,9})?)"
_FOUR = rf"{_NUMBER} ?, ?{_NUMBER} ?, ?{_NUMBER} ?, ?{_NUMBER}"
_JSON = r'\[?\{? ?(?:"?(?:bbox_2d|bbox|box)"? ?[:=] ?)?'
_LABEL = r'(?: ?, ?"label" ?: ?"[^"\[\]{}]{0,80}")?'
_GRAMMAR = re.compile(rf"{_JSON}[\[(]? ?{_FOUR} ?[\])]?{_LABEL} ?\}}?\]?", re.IGNORECASE)
_PAIRS = re.compile(rf"\(? ?{_NUMBER} ?, ?{_NUMBER} ?\) ?,? ?\( ?{_NUMBER} ?, ?{_NUMBER} ?\)?")


@dataclass(frozen=True, slots=True)
class Gold(GoldAnswer):
    """The gold box and the least overlap that counts."""

    box: Box
    least: float

    def judge(self, text: str) -> Ruling:
        box = read(text)
        if box is None:
            return Ruling("unreadable", "bbox.none")
        named = "[" + ", ".join(f"{side:g}" for side in box) + "]"
        return Ruling("right" if iou(box, self.box) >= self.least else "wrong", "bbox.iou", named)


def prepare(item: Key) -> Gold:
    box = read(item.answer)
    if box is None:
        raise GoldError(f"answer {item.answer!r} is not [x1, y1, x2, y2] with x1 < x2 and y1 < y2")
    least = DEFAULT_IOU if item.tol is None else item.tol
    if not 0 < least <= 1:
        raise GoldError(f"tol {least} is not an intersection over union in (0, 1]")
    return Gold(box, least)


def read(text: str) -> Box | None:
    """The one box of a text; None for no box, several boxes or a box without area."""
    text = without_lead_in(clean(text))
    found = _GRAMMAR.fullmatch(text) or _PAIRS.fullmatch(text)
    if found is None:
        return None
    left, top, right, bottom = (float(number) for number in found.groups())
    return (left, top, right, bottom) if left < right and top < bottom else None


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(one) + _area(other) - shared)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
