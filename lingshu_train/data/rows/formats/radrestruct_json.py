"""Rad-ReStruct: a JSON file of questions for each report, and a JSON file that names each report's films.

A file is a list of `[question, answers, earlier questions, {answer_type, options}]`. Each is asked of every film of its
report. `single_choice` is yes or no; of `multi_choice` one option is right, or several, and then it is a multi_select.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from lingshu_train.data.rows import answers, choices, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.embedded import file
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Picture, Row
from lingshu_train.documents import read_json
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.record import Sample


class Fields(rowlib.SplitFiles):
    """Where films lie, and which belong to a report."""

    films: str = "id_to_img_mapping_frontal_reports.json"
    """A JSON file that names the films of each report, without their ending."""
    images: str = "imgs"
    """Folder of the PNG files."""


lines = published.file_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    report = line.file.stem
    asked = read_json(line.file)
    if not isinstance(asked, list):
        raise line.error("questions", "must be a list of questions")
    films = _films(origin.root / fields.films).get(report)
    if not isinstance(films, list) or not films:
        raise line.error("report", f"{report!r} has no film in {fields.films}")
    for film in films:
        name = line.written("film", film)
        image = file(line, "film", origin.root / fields.images, name=f"{name}.png")
        for number, question in enumerate(asked):
            yield _row(line, origin, question, image, name=f"{report}/{name}/{number}")


def _row(line: Line, origin: Origin, question: object, image: Picture, *, name: str) -> Row:
    if not isinstance(question, list) or len(question) != 4 or not isinstance(question[3], Mapping):
        raise line.error(name, "must be a list of question, answers, earlier questions and a record")
    text, golds, _, about = question
    options = choices.lettered(line, name, _texts(line, name, about.get("options")))
    letters = {option: letter for letter, option in options.items()}
    right = _texts(line, name, golds)
    for gold in right:
        if gold not in letters:
            raise line.error(name, f"{gold!r} is none of the options {', '.join(letters)}")
    closed = {option.casefold() for option in letters} <= answers.YES_NO
    if closed and len(right) > 1:
        raise line.error(name, f"is answered by {' and '.join(right)}")
    sample = Sample(
        id=name,
        card=origin.card,
        split=origin.split,
        task="closed_vqa" if closed else "mcq",
        question=line.written(name, text),
        question_type="yes_no" if closed else "mcq" if len(right) == 1 else "multi_select",
        answer=right[0] if closed else ", ".join(sorted(letters[gold] for gold in right)),
        options={} if closed else options,
        group=line.file.stem,
        modality="x-ray",
    )
    return Row(sample=sample, images=(image,))


def _texts(line: Line, name: str, values: object) -> list[str]:
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise line.error(name, "must have its options and its answers as lists")
    return [line.written(name, one, place=str(place)) for place, one in enumerate(values, start=1)]


@lru_cache(maxsize=4)
def _films(path: Path) -> Mapping[str, object]:
    if not path.is_file():
        raise MissingInput(f"{path}: no such file; the card says where it comes from")
    found = read_json(path)
    if not isinstance(found, dict):
        raise DataError(f"{path}: must be a record of films by report")
    return found
