"""PMC-VQA: `train_2.csv`, `test_2.csv` beside `figures/`; four options in columns, the letter in `Answer`.

Version 1 files have the answer's text in `Answer` and its letter in `Answer_label`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lingshu_train.data import row as rowlib
from lingshu_train.data import tables
from lingshu_train.data.card import Card
from lingshu_train.data.row import Origin, Picture, Row
from lingshu_train.data.tables import Line
from lingshu_train.record import Sample

LETTERS = "ABCD"


class Fields(rowlib.SplitFiles):
    """`images` is the folder of the figure files."""

    images: str = "figures"


def rows(card: Card, root: Path, *, split: str) -> Iterator[Row]:
    """The rows of a split, in file order. A bad row: DataError with file, line and field."""
    fields = rowlib.fields(Fields, card, split=split)
    origin = Origin(card=card.name, split=split, root=root)
    for line in tables.read(root, fields.files[split]):
        yield row(line, fields, origin)


def row(line: Line, fields: Fields, origin: Origin) -> Row:
    figure = line.text("Figure_path")
    options = {letter: _bare(line.text(f"Choice {letter}"), letter) for letter in LETTERS}
    column = "Answer_label" if "Answer_label" in line.values else "Answer"
    answer = line.text(column)
    if answer not in LETTERS or len(answer) != 1:
        raise line.error(column, f"must be one letter of {LETTERS}, got {answer!r}")
    sample = Sample(
        id=line.optional("index") or line.id,
        card=origin.card,
        split=origin.split,
        task="mcq",
        question=line.text("Question"),
        question_type="mcq",
        answer=answer,
        options=options,
        group=figure.partition("_")[0],
    )
    return Row(sample=sample, images=(Picture(name=figure, path=origin.root / fields.images / figure),))


def _bare(option: str, letter: str) -> str:
    """The option without the letter that some cells carry in front (`A:Diffuse uptake`)."""
    return re.sub(rf"^{letter}\s*[:.)]\s*", "", option) or option
