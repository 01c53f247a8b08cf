"""Open-i chest films: one XML report per examination (`ecgen-radiology/*.xml`) and PNG files named in it."""

from __future__ import annotations

import xml.etree.ElementTree as xml
from collections.abc import Iterator
from dataclasses import replace

from lingshu_train.data.rows import embedded, published, report_text
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row, Skipped


class Fields(rowlib.SplitFiles):
    """Which examinations are taken."""

    images: str = "images"
    """Folder of the PNG files."""


NO_FILM = Skipped("a report without a film")

lines = published.file_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row | Skipped]:
    """One examination. Where it has no film or no report, it is skipped, which is no fault."""
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
    if not images:
        yield NO_FILM
    elif not found.stated:
        yield report_text.NOTHING
    else:
        study = line.file.stem
        yield Row(sample=report_text.sample(found, origin, id=study, group=study), images=images)
