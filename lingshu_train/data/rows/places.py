"""Where in a row's questions its pictures stand: at the publisher's `<image>` marks, in reading order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lingshu_train.data.rows.line import Line
from lingshu_train.record import IMAGE_MARK

_LEADING = re.compile(rf"(?:\s*{re.escape(IMAGE_MARK)})+\s*")


def placed(line: Line, field: str, texts: Sequence[str], pictures: int) -> list[str]:
    """The texts of a row in the order in which they are read (earlier questions, the question, its options), with a mark where
    each of its pictures stands.

    The space around marks at the beginning of a text is left out, since a picture needs no line of its own. Where all marks
    stand before the first text there are none in the result: that is where pictures without marks stand. DataError: marks, but
    not one for each picture; or a text of nothing else.
    """
    marks = [text.count(IMAGE_MARK) for text in texts]
    if sum(marks) not in (0, pictures):
        raise line.error(field, f"{sum(marks)} {IMAGE_MARK} marks for {pictures} images")
    if not any(marks):
        return list(texts)
    return [
        _tidy(text, marks=count, first=not number, all_of=pictures)
        for number, (text, count) in enumerate(zip(texts, marks, strict=True))
    ]


def asked(
    line: Line, field: str, question: str, options: Mapping[str, str], pictures: int
) -> tuple[str, dict[str, str]]:
    """The same for one question with its options. DataError too: the question is nothing but pictures."""
    first, *others = placed(line, field, [question, *options.values()], pictures)
    if not first.replace(IMAGE_MARK, "").strip():
        raise line.error(field, "holds nothing but marks of images")
    return first, dict(zip(options, others, strict=True))


def _tidy(text: str, *, marks: int, first: bool, all_of: int) -> str:
    leading = _LEADING.match(text)
    if not leading:
        return text.rstrip() if marks else text
    count = leading[0].count(IMAGE_MARK)
    rest = text[leading.end() :].rstrip()
    return rest if first and count == all_of else IMAGE_MARK * count + rest
