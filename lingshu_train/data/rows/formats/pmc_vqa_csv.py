"""PMC-VQA: `train_2.csv`, `test_2.csv` beside `figures/`; four options in columns, the letter in `Answer`.

Version 1 files have the answer's text in `Answer` and its letter in `Answer_label`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lingshu_train.data.rows import published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.embedded import picture
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row
from lingshu_train.record import Sample

LETTERS = "ABCD"


class Fields(rowlib.TableFiles):
    """Where the figures lie."""

    images: str = "figures"
    """Folder of the figure files."""

    def columns(self) -> dict[str, rowlib.Content]:
        texts = ("Question", *(f"Choice {letter}" for letter in LETTERS), "Answer")
        return {"Figure_path": "image", **dict.fromkeys(texts, "text")}


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    figure = picture(line, "Figure_path", origin.root / fields.images)
    options = {letter: _bare(line.text(f"Choice {letter}"), letter) for letter in LETTERS}
    column = "Answer_label" if "Answer_label" in line.values else "Answer"
    answer = line.text(column)
    if answer not in LETTERS or len(answer) != 1:
        raise line.error(column, f"must be one letter of {LETTERS}, got {answer!r}")
    sample = Sample(
        id=line.optional("index"),
        card=origin.card,
        split=origin.split,
        task="mcq",
        question=line.text("Question"),
        question_type="mcq",
        answer=answer,
        options=options,
        group=figure.name.partition("_")[0],
    )
    yield Row(sample=sample, images=(figure,))


def _bare(option: str, letter: str) -> str:
    """The option without the letter that some cells carry in front (`A:Diffuse uptake`)."""
    return re.sub(rf"^{letter}\s*[:.)]\s*", "", option) or option
