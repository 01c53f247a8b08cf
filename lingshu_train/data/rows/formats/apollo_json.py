"""ApolloCorpus: JSON files that are lists of dialogues, each a list of questions and answers in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lingshu_train.data.rows import published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.formats import text_instruction
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row, Skipped

DIALOGUE = "dialogue"


class Fields(rowlib.TableFiles):
    """Of the publisher's files those of questions and answers; those named `*_text.json` are plain text."""


def lines(fields: Fields, origin: Origin) -> Iterator[Line]:
    written = replace(published.dialect(fields), lists=DIALOGUE)
    yield from published.read(origin.root, fields.files[origin.split], written)


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row | Skipped]:
    yield from text_instruction.rows(
        line, text_instruction.Fields(files=fields.files, turns=DIALOGUE), origin
    )
