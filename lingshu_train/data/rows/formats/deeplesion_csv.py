"""DeepLesion: `DL_info.csv` with the box of a measured lesion per row, and 16-bit slices `Images_png/<series>/<n>.png`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.data.questions import templates
from lingshu_train.data.questions.templates import Subject
from lingshu_train.data.rows import folders, published
from lingshu_train.data.rows.line import Line, number
from lingshu_train.data.rows.row import Origin, Row, TableFiles

OFFSET = 32768
"""What the publisher added to Hounsfield units, to store them without a sign."""
PARTS = {"train": "1", "validation": "2", "test": "3"}
"""Split -> the publisher's number of it."""
LESION = "the lesion"
TYPES = {
    **{"1": "bone lesion", "2": "abdominal lesion", "3": "mediastinal lesion", "4": "liver lesion"},
    **{"5": "lung lesion", "6": "kidney lesion", "7": "soft tissue lesion", "8": "pelvic lesion"},
}
UNKNOWN = "-1"


class Fields(templates.Words, TableFiles):
    """Rows that the publisher calls noisy are left out."""

    images: folders.Folders = ("Images_png", "*/Images_png")
    """Patterns of the folders of the slices; the first that has a slice. A text alone is one."""


def lines(fields: Fields, origin: Origin) -> Iterator[Line]:
    """One line per slice: a box is asked for only where one lesion is marked."""

    def slice_of(line: Line) -> str | None:
        part = line.text("Train_Val_Test")
        return line.text("File_name") if part == PARTS.get(origin.split, part) else None

    table = published.table_lines(fields, origin)
    yield from published.gathered(table, "Bounding_boxes", key=slice_of)


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """The lesion's box where it is the only one marked, and its place where that is stated.

    Unmarked lesions are common in this set, so nothing is counted and no lesion is called absent.
    """
    if line.optional("Possibly_noisy") == "1" or len(line.given(published.Gathered).texts) > 1:
        return
    series, _, place = line.text("File_name").rpartition("_")
    low, high = _numbers(line, "DICOM_windows", 2)
    width, height = _numbers(line, "Image_size", 2)
    box = _numbers(line, "Bounding_boxes", 4)
    if not (0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height):
        raise line.error("Bounding_boxes", f"{box} is no box in {width:g} x {height:g} pixels")
    window = ((low + high) / 2 + OFFSET, high - low)
    within = folders.below(origin.root, fields.images)
    picture = folders.picture(line, "File_name", within, name=f"{series}/{place}")
    subject = Subject(
        origin=origin,
        words=fields,
        image=replace(picture, excerpt=Excerpt(window=window)),
        name=line.text("File_name"),
        group=line.text("Patient_index"),
    )
    yield subject.box(LESION, box, (round(width), round(height)))
    kind = line.text("Coarse_lesion_type")
    if kind != UNKNOWN:
        if kind not in TYPES:
            raise line.error("Coarse_lesion_type", f"must be -1 or 1 to {len(TYPES)}, got {kind!r}")
        yield from subject.finding(TYPES[kind], TYPES.values())
    yield from subject.modality()


def _numbers(line: Line, field: str, count: int) -> list[float]:
    """Numbers between commas."""
    found = [number(text) for text in line.text(field).split(",")]
    numbers = [value for value in found if value is not None]
    if len(numbers) != count or len(found) != count:
        raise line.error(field, f"must be {count} numbers between commas, got {line.text(field)!r}")
    return numbers
