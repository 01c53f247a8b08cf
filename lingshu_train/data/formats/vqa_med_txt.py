"""VQA-Med 2019: text lines `image|question|answer` or `image|category|question|answer`, and JPEGs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lingshu_train.data import row as rowlib
from lingshu_train.data.card import Card
from lingshu_train.data.row import Origin, Picture, Row
from lingshu_train.data.tables import Line
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.record import Sample


class Fields(rowlib.SplitFiles):
    """`images`: split -> folder of its image files; `suffix` is added to the image names of the lines."""

    images: dict[str, str]
    suffix: str = ".jpg"


def rows(card: Card, root: Path, *, split: str) -> Iterator[Row]:
    """The rows of a split, in file order. A bad row: DataError with file, line and field."""
    fields = rowlib.fields(Fields, card, split=split)
    origin = Origin(card=card.name, split=split, root=root)
    for line in _lines(root / fields.files[split]):
        yield row(line, fields, origin)


def row(line: Line, fields: Fields, origin: Origin) -> Row:
    name, answer = line.text("image"), line.text("answer")
    folder = fields.images.get(origin.split)
    if folder is None:
        raise DataError(
            f"data_cards/{origin.card}.md: lingshu.fields.images: no folder for split {origin.split!r}"
        )
    kind = rowlib.answer_type(answer)
    sample = Sample(
        id=line.id,
        card=origin.card,
        split=origin.split,
        task="closed_vqa" if kind == "yes_no" else "open_vqa",
        question=line.text("question"),
        question_type=kind,
        answer=answer,
        group=name,
    )
    file = f"{name}{fields.suffix}"
    return Row(sample=sample, images=(Picture(name=file, path=origin.root / folder / file),))


def _lines(path: Path) -> Iterator[Line]:
    if not path.is_file():
        raise MissingInput(f"{path}: no such file; fetch the card's data, or correct `files` in the card")
    with path.open(encoding="utf-8-sig") as stream:
        for number, text in enumerate(stream, start=1):
            cells = text.strip().split("|")
            if cells == [""]:
                continue
            if len(cells) not in (3, 4):
                raise DataError(f"{path}:{number}: must have 3 or 4 fields between bars, got {len(cells)}")
            values = {"image": cells[0], "question": cells[-2], "answer": cells[-1]}
            yield Line(file=path, number=number, values=values)
