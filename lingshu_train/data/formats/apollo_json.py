"""ApolloCorpus: JSON files that are lists of dialogues, each a list of questions and answers in turn."""

from __future__ import annotations

from collections.abc import Iterator

from lingshu_train.data import row as rowlib
from lingshu_train.data import tables
from lingshu_train.data.formats import text_instruction
from lingshu_train.data.row import Origin, Row
from lingshu_train.data.tables import Line

DIALOGUE = "dialogue"


class Fields(rowlib.SplitFiles):
    """Of the publisher's files those of questions and answers; those named `*_text.json` are plain text."""


def lines(fields: Fields, origin: Origin) -> Iterator[Line]:
    yield from tables.read(origin.root, fields.files[origin.split], lists=DIALOGUE)


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    yield from text_instruction.rows(
        line, text_instruction.Fields(files=fields.files, turns=DIALOGUE), origin
    )
