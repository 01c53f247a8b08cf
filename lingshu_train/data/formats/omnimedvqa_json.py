"""OmniMedVQA: `QA_information/Open-access/*.json`; `option_A` to `option_D`, answer text in `gt_answer`."""

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
    """`images` is the folder that `image_path` starts from."""

    images: str = "."


def rows(card: Card, root: Path, *, split: str) -> Iterator[Row]:
    """The rows of a split, files by name. A bad row: DataError with file, line and field."""
    fields = rowlib.fields(Fields, card, split=split)
    origin = Origin(card=card.name, split=split, root=root)
    for line in tables.read(root, fields.files[split]):
        yield row(line, fields, origin)


def row(line: Line, fields: Fields, origin: Origin) -> Row:
    path, gold = line.text("image_path"), line.text("gt_answer")
    options = {letter: text for letter in "ABCD" if (text := line.optional(f"option_{letter}"))}
    if len(options) < 2:
        raise line.error("option_A", f"needs at least two options, got {len(options)}")
    letters = [letter for letter, text in options.items() if text == gold]
    if not letters:
        raise line.error("gt_answer", f"{gold!r} is none of the options: {', '.join(options.values())}")
    sample = Sample(
        id=line.optional("question_id") or line.id,
        card=origin.card,
        split=origin.split,
        task=line.optional("question_type") or "mcq",
        question=line.text("question"),
        question_type="mcq",
        answer=letters[0],
        options=options,
        group=path,
        modality=line.optional("modality_type"),
    )
    return Row(sample=sample, images=(Picture(name=path, path=origin.root / fields.images / path),))
