"""SLAKE: `train.json`, `validation.json`, `test.json` beside `imgs/<case>/source.jpg`; English and Chinese."""

from __future__ import annotations

from collections.abc import Iterator

from lingshu_train.data.rows import answers, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.embedded import picture
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row, Skipped
from lingshu_train.record import Sample
from lingshu_train.schema import Language


class Fields(rowlib.Answered):
    """Which rows are taken."""

    images: str = "imgs"
    """Folder of the picture files."""
    languages: tuple[Language, ...] = ()
    """Keep rows of these languages only; empty keeps all."""

    def columns(self) -> dict[str, rowlib.Content]:
        texts = ("question", "answer", "answer_type", "q_lang")
        return {"img_name": "image", **dict.fromkeys(texts, "text")}


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row | Skipped]:
    if fields.languages and line.text("q_lang") not in fields.languages:
        return
    if answers.left_out(line, "answer", fields):
        yield answers.NONE
        return
    image = picture(line, "img_name", origin.root / fields.images)
    question, answer = line.text("question"), line.text("answer")
    kind = line.text("answer_type")
    if kind.upper() not in ("OPEN", "CLOSED"):
        raise line.error("answer_type", f"must be OPEN or CLOSED, got {kind!r}")
    sample = Sample(
        id=line.optional("qid"),
        card=origin.card,
        split=origin.split,
        task=f"{kind.lower()}_vqa",
        question=question,
        question_type=answers.guess(answer, question=question),
        answer=answer,
        group=image.name.partition("/")[0],
        modality=line.optional("modality"),
    )
    yield Row(sample=sample, images=(image,))
