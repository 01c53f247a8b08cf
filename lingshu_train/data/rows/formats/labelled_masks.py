"""Pictures or volumes with outlines of organs and lesions, to template questions about what is outlined.

The outlines of a picture are one mask whose colours or numbers are the parts, or a file per part: a mask or a polygon.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from lingshu_train.data.cards import patterns
from lingshu_train.data.images import Volume, labels
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.data.images.labels import LabelVolume
from lingshu_train.data.images.windows import SPREAD, Array
from lingshu_train.data.questions import outlines, templates
from lingshu_train.data.questions.outlines import Value
from lingshu_train.data.questions.templates import Subject
from lingshu_train.data.rows import published
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Picture, Row

VOLUMES = (".nii", ".nii.gz", ".nrrd")
FORGOTTEN = "an outline is missing"
"""The note of the rows of a picture of which a part is not stated."""


class Fields(templates.Words):
    """Where the outlines lie, and in which words they are asked. The window `spread` is that of a whole volume."""

    mask: str = ""
    """File of the mask of a picture. Its path starts at the picture's folder and may hold `..`, {name} of that
    folder, {file}, {stem} and `*`."""
    parts: dict[str, Value] = Field(default_factory=dict)
    """Words of each part, and its colour or number in the mask."""
    outlines: dict[str, str] = Field(default_factory=dict)
    """Words of each part, and the file of its outline (a mask or a polygon), with a path as in `mask`."""
    optional: tuple[str, ...] = ()
    """Parts whose file is absent where the part is not there."""
    unstated: tuple[str, ...] = ()
    """Parts whose file the publisher may have forgotten: then nothing is asked about them."""
    counted: tuple[str, ...] = ()
    """Parts whose regions can be counted."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Folders, and the words for a class of the whole picture."""
    patient: templates.Patient | None = None
    """Finds the patient in a picture's path: its first group in parentheses."""
    slices: int = Field(default=3, gt=0)
    """Axial slices to take of a volume."""

    @model_validator(mode="after")
    def _one_kind(self) -> Fields:
        if bool(self.mask) == bool(self.outlines) or bool(self.mask) != bool(self.parts):
            raise ValueError("needs either `mask` and `parts`, or `outlines`")
        for pattern in (self.mask, *self.outlines.values()):
            try:
                pattern.format(name="", file="", stem="")
            except (IndexError, KeyError, ValueError):
                raise ValueError(f"{pattern!r} may hold only {{name}}, {{file}} and {{stem}}") from None
        return self


lines = published.file_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """The class of a picture, and what is outlined in it; of a volume, what is outlined in some slices."""
    name = patterns.composed(line.file.relative_to(origin.root).as_posix())
    match = fields.patient.search(name) if fields.patient else None
    subject = Subject(
        origin=origin,
        words=fields,
        image=Picture(name=name, path=line.file),
        name=name,
        group=match[1] if match else name,
    )
    if line.file.name.endswith(VOLUMES):
        yield from _volume(line, fields, subject)
        return
    labels = {patterns.composed(folder): words for folder, words in fields.labels.items()}
    label = next((part for part in reversed(Path(name).parts[:-1]) if part in labels), None)
    if label:
        yield from subject.finding(labels[label], labels.values())
    regions = _regions(line, fields)
    notes = () if len(regions) == len(fields.parts or fields.outlines) else (FORGOTTEN,)
    for row in outlines.questions(subject, regions, counted=fields.counted):
        yield replace(row, notes=notes)
    yield from subject.modality()


def _regions(line: Line, fields: Fields) -> dict[str, Array]:
    """Words -> array of the picture's size, non-zero inside the part."""
    with line.naming("picture"):
        size = labels.size(line.file)
    if fields.mask:
        return outlines.regions(line, _mask(line, fields), fields.parts, size)
    found = ((part, _region(line, fields, part, size)) for part in fields.outlines)
    return {part: region for part, region in found if region is not None}


def _region(line: Line, fields: Fields, part: str, size: tuple[int, int]) -> Array | None:
    """All outlines of one part together; None where nothing is stated of it."""
    paths = patterns.beside(line.file, fields.outlines[part])
    if not paths and part in fields.unstated:
        return None
    if not paths and part not in fields.optional:
        raise line.error(part, f"no file matches {fields.outlines[part]!r}")
    whole = np.zeros(size[::-1], dtype=bool)
    for path in paths:
        whole |= outlines.region(line, path, size) != 0
    return whole


def _volume(line: Line, fields: Fields, subject: Subject) -> Iterator[Row]:
    """Questions on slices in which some part is outlined, drawn by hash."""
    with line.naming("volume"):
        volume = LabelVolume(_mask(line, fields))
        sizes = volume.counts([number for number in fields.parts.values() if isinstance(number, int)])
        window = Volume(line.file).spread() if fields.window == SPREAD else None
    marked = [str(index) for index in np.flatnonzero(sizes >= outlines.LEAST)]
    for index in map(int, templates.order(marked, f"{subject.origin.card}/{subject.name}")[: fields.slices]):
        excerpt = Excerpt(plane="axial", index=index, window=window)
        name = f"{subject.name}#{index}"
        piece = replace(subject, name=name, image=replace(subject.image, name=name, excerpt=excerpt))
        with line.naming("volume"):
            pixels = volume.axial(index)
        regions = {part: pixels == number for part, number in fields.parts.items()}
        yield from outlines.questions(piece, regions, counted=fields.counted)
        yield from piece.modality()


def _mask(line: Line, fields: Fields) -> Path:
    paths = patterns.beside(line.file, fields.mask)
    if len(paths) != 1:
        raise line.error("mask", f"{len(paths)} files match {fields.mask!r}, must be one")
    return paths[0]
