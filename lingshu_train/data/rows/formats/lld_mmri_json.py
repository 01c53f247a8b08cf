"""LLD-MMRI: `Annotation.json` with a box in three dimensions per lesion, and a NIfTI volume per patient and phase."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from lingshu_train.data.images import Volume, labels
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.data.images.labels import Labels
from lingshu_train.data.images.volumes import VoxelBox, seen
from lingshu_train.data.questions import outlines, templates
from lingshu_train.data.questions.templates import Subject
from lingshu_train.data.rows import folders, published
from lingshu_train.data.rows.line import Line, number, once
from lingshu_train.data.rows.row import Origin, Row
from lingshu_train.errors import DataError

SIDES = ("x_min", "x_max", "y_min", "y_max", "z_min", "z_max")
LESION = "the liver lesion"
UNKNOWN = "-1"
"""What the publisher writes for a kind that is not told, as of the cases of the challenge."""


class Fields(templates.Words):
    """What is labelled, and in which words it is asked."""

    images: folders.Folders
    """Patterns of the folders of `<patient>/<study>/<series>.nii.gz`; the first that has a volume. A text alone is one."""
    labels: dict[str, str]
    """The publisher's number of a lesion's kind, and the words for it."""
    phases: tuple[str, ...] = ()
    """Phases to take; empty takes all."""


def lines(fields: Fields, origin: Origin) -> Iterator[Line]:
    """One line per volume. Lines of the file say nothing here: `number` counts the volumes."""
    path = published.single(origin.root, fields.files[origin.split])
    try:
        patients = json.loads(published.whole(path), object_pairs_hook=once)["Annotation_info"]
        series = [(patient, item) for patient, items in patients.items() for item in items]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as fault:
        raise DataError(
            f"{path}: must be JSON with volumes per patient in Annotation_info: {fault}"
        ) from None
    for place, (patient, item) in enumerate(series, start=1):
        line = Line(file=path, number=place, record=place)
        if isinstance(item, dict):
            yield replace(line, values={**item, "patient": patient})
        else:
            yield replace(
                line, fault=f"Annotation_info: a volume must be a record, got {type(item).__name__}"
            )


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """The box of a patient's only lesion, on the slice through its middle, and which kind it is, where that is told."""
    if fields.phases and line.text("phase") not in fields.phases:
        return
    lesions = line.inside("annotation").inside("lesion")
    if len(lesions.values) != 1:
        return
    lesion = replace(lesions, values={"lesion": next(iter(lesions.values.values()))}).inside("lesion")
    kind, box = lesion.text("category"), _box(lesion)
    if kind not in (*fields.labels, UNKNOWN):
        raise line.error("category", f"unknown kind {kind!r}; the card has: {', '.join(fields.labels)}")
    name = f"{line.text('patient')}/{line.text('studyUID')}/{line.text('seriesUID')}.nii.gz"
    picture = folders.picture(line, "seriesUID", folders.below(origin.root, fields.images), name=name)
    assert picture.path is not None, "a file has its path"
    with line.naming("volume"):
        volume = Volume(picture.path)
    across, along, up = volume.turned(box)
    if not (across and along and up):
        raise line.error("3D_box", "lies outside the volume")
    index = up[len(up) // 2]
    with line.naming("volume"):
        region = _filled(volume, across, along)
        excerpt = Excerpt(plane="axial", index=index, window=volume.spread())
    subject = Subject(
        origin=origin,
        words=fields,
        image=replace(picture, excerpt=excerpt),
        name=f"{name}#{index}",
        group=line.text("patient"),
    )
    yield subject.box(LESION, outlines.box(region), (region.shape[1], region.shape[0]))
    if kind != UNKNOWN:
        yield from subject.finding(fields.labels[kind], fields.labels.values())
    yield from subject.modality()


def _filled(volume: Volume, across: range, along: range) -> Labels:
    """An axial slice as it is seen, 1 inside the box and 0 outside."""
    section = np.zeros((volume.depth("sagittal"), volume.depth("coronal")), np.int32)
    section[across.start : across.stop, along.start : along.stop] = 1
    return labels.square(volume, seen(section))


def _box(lesion: Line) -> VoxelBox:
    """The voxels of the box in the file's own order; the publisher counts both ends in."""
    try:
        box = lesion.inside("bbox").inside("3D_box")
        written = [box.text(side) for side in SIDES]
    except DataError as fault:
        why = str(fault).removeprefix(f"{lesion.where}: ")
        raise lesion.error("3D_box", f"must have whole numbers {', '.join(SIDES)}: {why}") from None
    values = [number(text) for text in written]
    sides = [int(value) for value in values if value is not None]
    if len(sides) < len(SIDES):
        raise lesion.error("3D_box", f"must have whole numbers {', '.join(SIDES)}, got {', '.join(written)}")
    left, right, top, bottom, first, last = sides
    if not (0 <= left < right and 0 <= top < bottom and 0 <= first <= last):
        raise lesion.error("3D_box", f"{sides} is no box")
    return slice(left, right + 1), slice(top, bottom + 1), slice(first, last + 1)
