"""Open-i chest films: one XML report per examination (`ecgen-radiology/*.xml`) and PNG files named in it."""

from __future__ import annotations

import xml.etree.ElementTree as xml
from collections.abc import Iterator
from pathlib import Path

from lingshu_train.data import report_text, tables
from lingshu_train.data import row as rowlib
from lingshu_train.data.card import Card
from lingshu_train.data.embedded import pictures
from lingshu_train.data.row import Origin, Picture, Row
from lingshu_train.errors import DataError, MissingInput


class Fields(rowlib.SplitFiles):
    """`images` is the folder of the PNG files.

    `without` is a JSON report list (a test set): examinations that share an image with it are left out.
    """

    images: str = "images"
    without: str = ""


def rows(card: Card, root: Path, *, split: str) -> Iterator[Row]:
    """The examinations with an image and a report, files by name. Not XML: DataError with the line."""
    fields = rowlib.fields(Fields, card, split=split)
    origin = Origin(card=card.name, split=split, root=root)
    held_out = _held_out(root, fields.without)
    files = sorted(root.glob(fields.files[split]))
    if not files:
        raise MissingInput(
            f"{root}: no file matches {fields.files[split]!r}; unpack NLMCXR_reports.tgz there"
        )
    for path in files:
        found = row(path, fields, origin)
        if found is not None and held_out.isdisjoint(picture.name for picture in found.images):
            yield found


def row(path: Path, fields: Fields, origin: Origin) -> Row | None:
    """One examination; None where it has no film or no report, which is no fault."""
    try:
        tree = xml.parse(path).getroot()
    except xml.ParseError as fault:
        raise DataError(f"{path}:{fault.position[0]}: not XML: {fault}") from None
    texts = {
        part.get("Label", ""): " ".join("".join(part.itertext()).split())
        for part in tree.iter("AbstractText")
    }
    found = report_text.Sections(findings=texts.get("FINDINGS", ""), impression=texts.get("IMPRESSION", ""))
    names = [f"{image.get('id')}.png" for image in tree.iter("parentImage") if image.get("id")]
    if not names or not found.stated:
        return None
    folder = origin.root / fields.images
    return Row(
        sample=report_text.sample(found, origin, id=path.stem, group=path.stem),
        images=tuple(Picture(name=name, path=folder / name) for name in names),
    )


def _held_out(root: Path, without: str) -> set[str]:
    if not without:
        return set()
    return {picture.name for line in tables.read(root, without) for picture in pictures(line, "image", root)}
