"""VQA-RAD, PathVQA, Kvasir-VQA: Parquet files with the image's bytes, a question and an answer per row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from lingshu_train.data.rows import published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.embedded import picture
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row
from lingshu_train.record import Sample


class Fields(rowlib.SplitFiles):
    """Column names. Empty `group`: rows that share image bytes form a group."""

    image: str = "image"
    question: str = "question"
    answer: str = "answer"
    group: str = ""

    def columns(self) -> dict[str, rowlib.Content]:
        group: dict[str, rowlib.Content] = {self.group: "text"} if self.group else {}
        return {self.image: "image", self.question: "text", self.answer: "text", **group}


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    answer, image = line.text(fields.answer), picture(line, fields.image, origin.root)
    kind = rowlib.answer_type(answer)
    sample = Sample(
        id="",
        card=origin.card,
        split=origin.split,
        task="closed_vqa" if kind == "yes_no" else "open_vqa",
        question=line.text(fields.question),
        question_type=kind,
        answer=answer,
        group=line.text(fields.group) if fields.group else hashlib.sha256(image.data).hexdigest()[:16],
    )
    yield Row(sample=sample, images=(image,))
