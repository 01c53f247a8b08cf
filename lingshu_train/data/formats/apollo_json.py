"""ApolloCorpus: JSON files that are lists of dialogues, each a list of questions and answers in turn."""

from __future__ import annotations

from collections.abc import Iterator

from lingshu_train.data import row as rowlib
from lingshu_train.data import tables
from lingshu_train.data.formats.text_instruction import turns
from lingshu_train.data.row import Origin, Row
from lingshu_train.data.tables import Line
from lingshu_train.record import Sample


class Fields(rowlib.SplitFiles):
    """Of the publisher's files those of questions and answers; those named `*_text.json` are plain text."""


def lines(fields: Fields, origin: Origin) -> Iterator[Line]:
    yield from tables.read(origin.root, fields.files[origin.split], lists="dialogue")


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    found = turns(line, "dialogue")
    sample = Sample(
        id="",
        card=origin.card,
        split=origin.split,
        task="instruction",
        question=found[-1].question,
        question_type="free",
        answer=found[-1].answer,
    )
    yield Row(sample=sample, turns=found[:-1])
