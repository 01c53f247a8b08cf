"""MedPix 2.0: JSON of descriptions, one picture each, its caption and place inside `Description`."""

from __future__ import annotations

from collections.abc import Iterator

from lingshu_train.data import embedded
from lingshu_train.data import row as rowlib
from lingshu_train.data.row import Origin, Row
from lingshu_train.data.tables import Line
from lingshu_train.record import Sample

MODALITIES = {"CT": "ct", "MR": "mri"}


class Fields(rowlib.SplitFiles):
    """`images` is the folder of the PNG files. Rows whose caption starts with one of `blank` have none yet."""

    images: str = "images"
    prompt: str = "Describe this image."
    blank: tuple[str, ...] = ()


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """A picture with its caption; none where the caption is one of the archive's placeholders."""
    name, case = line.text("image"), line.text("U_id")
    image = embedded.file(line, "image", origin.root / fields.images, name=f"{name}.png")
    modality = MODALITIES.get(line.text("Type"))
    if modality is None:
        raise line.error("Type", f"must be one of {', '.join(MODALITIES)}, got {line.text('Type')!r}")
    caption = line.inside("Description").text("Caption")
    if caption.casefold().startswith(tuple(text.casefold() for text in fields.blank)):
        return
    sample = Sample(
        id=name,
        card=origin.card,
        split=origin.split,
        task="caption",
        question=fields.prompt,
        question_type="free",
        answer=caption,
        group=case,
        modality=modality,
    )
    yield Row(sample=sample, images=(image,))
