"""Open-i chest films: one XML report per examination (`ecgen-radiology/*.xml`) and PNG files named in it."""

from __future__ import annotations

import xml.etree.ElementTree as xml
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from lingshu_train.data.rows import embedded, published, report_text
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row


class Fields(rowlib.SplitFiles):
    """Which examinations are taken."""

    images: str = "images"
    """Folder of the PNG files."""
    without: str = ""
    """A JSON list of reports (a test set): examinations that share a picture with it are left out. Empty leaves out
    none."""


lines = published.file_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """One examination; none where it has no film or no report, which is no fault, or is held out."""
    try:
        tree = xml.parse(line.file).getroot()
    except xml.ParseError as fault:
        raise replace(line, number=fault.position[0]).error("eCitation", f"not XML: {fault}") from None
    texts = {
        part.get("Label", ""): " ".join("".join(part.itertext()).split())
        for part in tree.iter("AbstractText")
    }
    found = report_text.Sections(findings=texts.get("FINDINGS", ""), impression=texts.get("IMPRESSION", ""))
    images = tuple(
        embedded.file(line, "parentImage", origin.root / fields.images, name=f"{image.get('id')}.png")
        for image in tree.iter("parentImage")
        if image.get("id")
    )
    held_out = _held_out(origin.root, fields.without) if fields.without else frozenset[str]()
    if images and found.stated and held_out.isdisjoint(image.name for image in images):
        study = line.file.stem
        yield Row(sample=report_text.sample(found, origin, id=study, group=study), images=images)


@lru_cache(maxsize=4)
def _held_out(root: Path, without: str) -> frozenset[str]:
    """Names of the films in a list; every examination asks for the same one."""
    return frozenset(
        image.name
        for line in published.read(root, without)
        for image in embedded.pictures(line.sound(), "image", root)
    )
