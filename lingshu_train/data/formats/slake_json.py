"""SLAKE: `train.json`, `validate.json`, `test.json` beside `imgs/<case>/source.jpg`; English and Chinese."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lingshu_train.data import row as rowlib
from lingshu_train.data import tables
from lingshu_train.data.card import Card
from lingshu_train.data.row import Origin, Picture, Row
from lingshu_train.data.tables import Line
from lingshu_train.record import Sample


class Fields(rowlib.SplitFiles):
    """`images` is the folder of the image files; `languages` keeps rows of these only, all where empty."""

    images: str = "imgs"
    languages: tuple[str, ...] = ()


def rows(card: Card, root: Path, *, split: str) -> Iterator[Row]:
    """The rows of a split, in file order. A bad row: DataError with file, line and field."""
    fields = rowlib.fields(Fields, card, split=split)
    origin = Origin(card=card.name, split=split, root=root)
    for line in tables.read(root, fields.files[split]):
        if not fields.languages or line.text("q_lang") in fields.languages:
            yield row(line, fields, origin)


def row(line: Line, fields: Fields, origin: Origin) -> Row:
    name, answer = line.text("img_name"), line.text("answer")
    kind = line.text("answer_type")
    if kind.upper() not in ("OPEN", "CLOSED"):
        raise line.error("answer_type", f"must be OPEN or CLOSED, got {kind!r}")
    sample = Sample(
        id=line.optional("qid") or line.id,
        card=origin.card,
        split=origin.split,
        task=f"{kind.lower()}_vqa",
        question=line.text("question"),
        question_type=rowlib.answer_type(answer),
        answer=answer,
        group=name.partition("/")[0],
        modality=line.optional("modality"),
    )
    return Row(sample=sample, images=(Picture(name=name, path=origin.root / fields.images / name),))
