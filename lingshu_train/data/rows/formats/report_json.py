"""Report lists of MedEvalKit: JSON with `image` (one or several), `findings` and `impression` per row.

Of IU X-Ray an `id` and flat names; of MIMIC-CXR and CheXpert Plus no id, and names that lie as patient, study, film.
"""

from __future__ import annotations

from collections.abc import Iterator

from lingshu_train.data.rows import published, report_text
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.embedded import pictures
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row, Skipped


class Fields(rowlib.TableFiles):
    """Where the pictures lie."""

    images: str = "images"
    """Folder of the picture files."""


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row | Skipped]:
    images = pictures(line, "image", origin.root / fields.images)
    if not images:
        raise line.error("image", "needs at least one image file name")
    sections = report_text.Sections(
        findings=line.optional("findings"), impression=line.optional("impression")
    )
    if not sections.stated:
        yield report_text.NOTHING
        return
    name = line.optional("id")
    group = name or _patient(images[0].name)
    yield Row(sample=report_text.sample(sections, origin, id=name, group=group), images=images)


def _patient(film: str) -> str:
    """Of `p10/p10000001/s5/film.jpg` the patient's folder; of a film that lies elsewhere its name."""
    parts = film.split("/")
    return parts[-3] if len(parts) > 2 else film
