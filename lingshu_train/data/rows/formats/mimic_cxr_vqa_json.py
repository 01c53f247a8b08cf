"""MIMIC-Ext-MIMIC-CXR-VQA: `train.json` and so on; an answer is a list: yes or no, names, or nothing."""

from __future__ import annotations

from collections.abc import Iterator

from lingshu_train.data.rows import embedded, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row
from lingshu_train.record import Sample

KINDS = ("verify", "choose", "query")
NOTHING = "none"
"""The answer that an empty list of names is taught and judged as."""


class Fields(rowlib.TableFiles):
    """Where the films lie."""

    images: str = "files"
    """The `files` folder of MIMIC-CXR-JPG, from which `image_path` starts."""


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """A question to verify is yes or no; the others have a set of names, and an empty list means none of them."""
    kind = line.text("semantic_type")
    if kind not in KINDS:
        raise line.error("semantic_type", f"must be one of {', '.join(KINDS)}, got {kind!r}")
    answers = line.texts("answer")
    if kind == "verify" and answers not in (["yes"], ["no"]):
        raise line.error("answer", f"must be yes or no, got {answers}")
    image = embedded.picture(line, "image_path", origin.root / fields.images)
    sample = Sample(
        id=line.text("idx"),
        card=origin.card,
        split=origin.split,
        task="closed_vqa" if kind == "verify" else "open_vqa",
        question=line.text("question"),
        question_type="yes_no" if kind == "verify" else "label_set",
        answer=", ".join(answers) or NOTHING,
        group=f"p{line.text('subject_id')}",
        modality="x-ray",
    )
    yield Row(sample=sample, images=(image,))
