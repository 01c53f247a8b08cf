"""Captions: one image and its caption per row, a file name or bytes (PMC-OA, ROCO, ROCOv2)."""

from __future__ import annotations

from collections.abc import Iterator

from lingshu_train.data import row as rowlib
from lingshu_train.data.embedded import picture
from lingshu_train.data.row import Origin, Row
from lingshu_train.data.tables import Line
from lingshu_train.record import Sample


class Fields(rowlib.SplitFiles):
    """Column names; `images` is the folder that file names start from; `prompt` asks for the caption."""

    images: str = "."
    image: str = "image"
    caption: str = "caption"
    prompt: str = "Describe this image."

    def columns(self) -> dict[str, rowlib.Content]:
        return {self.image: "image", self.caption: "text"}


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    image = picture(line, fields.image, origin.root / fields.images)
    sample = Sample(
        id=line.optional("image_id"),
        card=origin.card,
        split=origin.split,
        task="caption",
        question=fields.prompt,
        question_type="free",
        answer=line.text(fields.caption),
        group=image.name,
    )
    yield Row(sample=sample, images=(image,))
