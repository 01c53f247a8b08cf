"""MHSMA: sperm pictures stacked in `x_128_train.npy`, and 0 or 1 for each in `y_acrosome_train.npy` and so on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lingshu_train.data.questions import templates
from lingshu_train.data.questions.templates import Subject
from lingshu_train.data.rows import arrays, published
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row
from lingshu_train.errors import DataError


class Fields(templates.Words):
    """`files` are the stacks of pictures, whose names end as those of the labels do."""

    labels: dict[str, str]
    """Name of each label, and the words for its 1."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Labels to ask about, and whether a picture has them."""

    labels: Mapping[str, bool]


def lines(fields: Fields, origin: Origin) -> Iterator[Line]:
    """Every picture of the stack with its labels, and which to ask about, balanced over the split."""
    path = published.single(origin.root, fields.files[origin.split])
    part, count = path.stem.rpartition("_")[2], len(arrays.numbers(path))
    columns = {}
    for label, words in fields.labels.items():
        other = path.with_name(f"y_{label}_{part}.npy")
        columns[words] = arrays.numbers(other)
        if columns[words].shape != (count,):
            raise DataError(f"{other}: must hold {count} labels, got {columns[words].shape}")
    each = []
    for index in range(count):
        there = {words for words, column in columns.items() if column[index] == 1}
        gone = {words for words, column in columns.items() if column[index] == 0}
        each.append((str(index), there, gone))
    asked = templates.balanced(each, origin.card)
    for index in range(count):
        chosen = Asked(asked.get(str(index), {}))
        yield Line(file=path, number=index + 1, record=index + 1, prepared=chosen)


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    name = f"{line.file.stem}#{line.record}"
    image = arrays.picture(line, arrays.stack(line.file)[line.record - 1], name=name)
    subject = Subject(origin=origin, words=fields, image=image, name=name)
    yield from subject.presence(line.given(Asked).labels)
    yield from subject.modality()
