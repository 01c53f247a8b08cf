"""VQA-RAD, PathVQA, Kvasir-VQA: Parquet files with the image's bytes, a question and an answer per row.

For a table of your own there is `table`, of which this is the short form.
"""

from __future__ import annotations

from collections.abc import Iterator

from lingshu_train.data.rows import published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.formats import table
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row, Skipped


class Fields(rowlib.Answered):
    """Names of columns."""

    image: str = "image"
    """Column of the picture's bytes."""
    question: str = "question"
    """Column of the question."""
    answer: str = "answer"
    """Column of the answer."""
    group: str = ""
    """Column of what belongs together, such as the patient; empty: rows that share picture bytes."""

    def columns(self) -> dict[str, rowlib.Content]:
        return self.table().columns()

    def table(self) -> table.Fields:
        """The same as `table` says it."""
        return table.Fields(
            files=self.files,
            image=self.image,
            question=self.question,
            answer=self.answer,
            group=self.group,
            empty=self.empty,
        )


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row | Skipped]:
    yield from table.rows(line, fields.table(), origin)
