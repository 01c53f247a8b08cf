"""Pictures with labels, as folders of classes or as a table, to template questions about the labels.

Three layouts: a folder per class; a table with a column of labels, one or several per row; a table with a column per
label, where 1 is present, 0 absent, and everything else (uncertain, not mentioned) is not asked about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import Field, model_validator

from lingshu_train.data.cards import patterns
from lingshu_train.data.questions import templates
from lingshu_train.data.rows import folders, published
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row, TableFiles
from lingshu_train.errors import DataError

STATED = {
    "1": True,
    "1.0": True,
    "true": True,
    "yes": True,
    "0": False,
    "0.0": False,
    "false": False,
    "no": False,
}


class Fields(templates.Words, TableFiles):
    """Where the labels stand, and in which words they are asked."""

    labels: dict[str, str] = Field(default_factory=dict)
    """What the data set writes, and the words of the questions for it; empty: the folders' names are the words.
    Columns with the same words are spellings of one label: the first that a row has counts."""
    image: tuple[str, ...] = ()
    """Columns of the picture's name, the first that a row has; empty: `files` are the pictures."""
    label: tuple[str, ...] = ()
    """Columns of the label, the first that a row has; empty: every key of `labels` is a column."""
    separator: str = ""
    """What stands between several labels of a cell."""
    images: folders.Folders = ()
    """Patterns of the folders that the names start from; the first that has the picture. A text alone is one."""
    beginnings: tuple[str, ...] = ()
    """What a name may begin with and a folder leave out, such as `CheXpert-v1.0/train/`."""
    suffix: str = ""
    """What completes a name that does not end with it."""
    only: dict[str, str] = Field(default_factory=dict)
    """For each split the file that lists its pictures; empty takes all."""
    group: str = ""
    """The patient's column."""
    patient: templates.Patient | None = None
    """Finds the patient in a picture's name: its first group in parentheses."""
    healthy: tuple[str, ...] = ()
    """Words that say that nothing was found, about which no yes/no question is asked."""

    @model_validator(mode="after")
    def _words(self) -> Fields:
        if self.image and not self.labels:
            raise ValueError("a table needs `labels`")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A picture's file, the folders that may have it, its patient, its labels, present and absent; what to `ask` about."""

    name: str
    within: tuple[Path, ...] = ()
    group: str = ""
    present: frozenset[str]
    absent: frozenset[str] = frozenset()
    ask: Mapping[str, bool] = field(default_factory=dict)


def lines(fields: Fields, origin: Origin) -> Iterator[Line]:
    """Every picture with its labels, and which of them to ask about, balanced over the split."""
    wanted = fields.only.get(origin.split)
    listed = published.listed(origin.root, wanted) if wanted else None
    found = [
        line
        for line in _stated(fields, origin)
        if line.fault or listed is None or patterns.composed(line.given(Labelled).name) in listed
    ]
    sound = [line.given(Labelled) for line in found if not line.fault]
    space = frozenset(fields.labels.values()) or frozenset().union(*(one.present for one in sound))
    absent = {one.name: one.absent if by_column(fields) else space - one.present for one in sound}
    each = [(one.name, one.present, absent[one.name]) for one in sound]
    asked = templates.balanced(each, origin.card, leave_out=frozenset(fields.healthy))
    within = folders.below(origin.root, fields.images) if fields.image and fields.images else (origin.root,)
    for line in found:
        if line.fault:
            yield line
        else:
            one = line.given(Labelled)
            whole = replace(one, within=within, absent=absent[one.name], ask=asked.get(one.name, {}))
            yield replace(line, values={}, prepared=whole)


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """Which finding, where there is exactly one; whether a finding is there; the modality."""
    found = line.given(Labelled)
    subject = templates.Subject(
        origin=origin,
        words=fields,
        image=folders.picture(line, "name", found.within, name=found.name, beginnings=fields.beginnings),
        name=found.name,
        group=found.group,
    )
    if len(found.present) == 1:
        yield from subject.finding(next(iter(found.present)), found.absent)
    yield from subject.presence(found.ask)
    yield from subject.modality()


def by_column(fields: Fields) -> bool:
    return bool(fields.image) and not fields.label


def _stated(fields: Fields, origin: Origin) -> Iterator[Line]:
    """Every row as name, group, labels stated present and stated absent; a bad one with its fault."""
    source = published.table_lines(fields, origin) if fields.image else published.file_lines(fields, origin)
    for line in source:
        try:
            found = _row(line.sound(), fields) if fields.image else _file(line, fields, origin)
            match = fields.patient.search(found.name) if fields.patient else None
            group = line.text(fields.group) if fields.group else match[1] if match else ""
            yield replace(line, prepared=replace(found, group=group))
        except DataError as fault:
            yield line.faulty(fault)


def _file(line: Line, fields: Fields, origin: Origin) -> Labelled:
    """The label is the nearest folder that `labels` knows."""
    name = Path(patterns.composed(str(line.file.relative_to(origin.root))))
    parts = list(reversed(name.parts[:-1]))
    labels = {patterns.composed(label): words for label, words in fields.labels.items()}
    label = next((part for part in parts if part in labels or not labels), None)
    if label is None:
        known = ", ".join(fields.labels)
        raise line.error("folder", f"no folder of {name} is a label of the card; the card has: {known}")
    words = labels.get(label, label.replace("_", " "))
    return Labelled(name=name.as_posix(), present=frozenset({words}))


def _row(line: Line, fields: Fields) -> Labelled:
    name = line.text(_column(line, fields.image))
    name += "" if name.endswith(fields.suffix) else fields.suffix
    if by_column(fields):
        columns = defaultdict[str, list[str]](list)
        for column, words in fields.labels.items():
            columns[words].append(column)
        for spellings in columns.values():
            if not any(column in line.values for column in spellings):
                raise line.absent(spellings[0])
        stated = {words: _truth(line, _column(line, spellings)) for words, spellings in columns.items()}
        present = frozenset(words for words, there in stated.items() if there)
        absent = frozenset(words for words, there in stated.items() if there is False)
        return Labelled(name=name, present=present, absent=absent)
    column = _column(line, fields.label)
    written = line.text(column)
    labels = written.split(fields.separator) if fields.separator else [written]
    unknown = [label for label in labels if label not in fields.labels]
    if unknown:
        raise line.error(column, f"unknown label {unknown[0]!r}; the card has: {', '.join(fields.labels)}")
    return Labelled(name=name, present=frozenset(fields.labels[label] for label in labels))


def _truth(line: Line, column: str) -> bool | None:
    """Whether a label is stated present or absent; None where neither is."""
    value = line.values.get(column)
    return value if isinstance(value, bool) else STATED.get(line.optional(column).lower())


def _column(line: Line, names: Sequence[str]) -> str:
    return next((name for name in names if name in line.values), names[0])
