"""A table as a proposal: the format `table`, or conversations; its columns, its pictures, how it is written, its splits."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from lingshu_train.data.adding import columns as understanding
from lingshu_train.data.adding import names, places, sniff
from lingshu_train.data.adding.columns import Columns
from lingshu_train.data.adding.places import Place
from lingshu_train.data.adding.proposal import ALL, ORDER, Proposal, with_held_out
from lingshu_train.data.adding.sniff import Table
from lingshu_train.data.adding.told import NONE, Told, Unclear
from lingshu_train.errors import DataError, MissingInput

SHOWS, DESCRIBE = "What does this image show?", "Describe this image."
"""What is asked of every row of a table of labels, and of one of reports."""


def of_table(table: Table, told: Told) -> Proposal:
    known = {name: places.find(table, name, images=told.images) for name in table.columns}
    columns = understanding.understand(
        table.columns,
        table.rows,
        understanding.Told(
            image="" if told.image == NONE else told.image,
            question=told.question,
            answer=told.answer,
            options=told.options,
            patient="" if told.patient == NONE else told.patient,
            split="" if told.split == NONE else told.split,
        ),
        lambda name: 0.0 if told.image == NONE else known[name].share,
        ask=bool(told.ask),
    )
    columns = _settled(table, columns, told)
    place = known[columns.image[0]] if columns.image else Place()
    if columns.chat and (place.suffix or place.separator):
        raise DataError(
            f"{table.paths[0].name}: {columns.image[0]} names pictures as {place.example or 'parts of names'}; conversations "
            "name whole files, several as a list"
        )
    if columns.chat and not columns.image and told.images:
        place = Place(folder=told.images)  # The messages themselves name them.
    _check_pictures(table, columns, place, told)
    root = _root([*table.paths, *([place.folder] if place.folder else [])])
    fields = _chat(columns) if columns.chat else _rows(columns, told)
    if place.folder and place.folder.absolute() != root:
        fields["images"] = place.folder.absolute().relative_to(root).as_posix()
    fields |= {
        key: value for key, value in (("suffix", place.suffix), ("separator", place.separator)) if value
    }
    if table.writing:
        fields |= _dialect(table)
    files, split = _files(table, columns, root)
    return Proposal(
        name="",
        root=root,
        format="llava_conversations" if columns.chat else "table",
        files=files,
        fields=fields | split,
        modality="" if columns.image or columns.chat else "text",
        language=told.language or _language(table, columns),
        grouped=bool(columns.patient),
        said=tuple(_told_of(table, columns, place, fields)),
    )


def _settled(table: Table, columns: Columns, told: Told) -> Columns:
    """The columns with nothing left open that must be known. Unclear where something is."""
    several = dict(columns.several)
    more = several.pop("patient", ())
    if more:
        # The coarsest is the safest: a patient has several studies, and never the other way round.
        coarsest = min(more, key=lambda name: len(set(understanding.values(table.rows, name))))
        columns = replace(columns, patient=coarsest)
    if told.patient == NONE:
        columns = replace(columns, patient="")
    if told.split == NONE:
        columns = replace(columns, split="")
    for role, found in several.items():
        raise Unclear(role, f"{table.paths[0].name}: several columns could be the {role}", choices=found)
    if columns.chat:
        return columns
    if not columns.answer:
        raise Unclear(
            "answer", f"{table.paths[0].name}: no column is known to hold the answers", choices=table.columns
        )
    if (
        not columns.question
        and not told.ask
        and names.meant("answer", columns.answer) == 2
        and not told.answer
    ):
        raise Unclear(
            "question", f"{table.paths[0].name}: no column is known to hold the questions (one for all rows: --ask)",
            choices=table.columns,
        )  # fmt: skip
    return columns


def _check_pictures(table: Table, columns: Columns, place: Place, told: Told) -> None:
    """Pictures are there, or are said not to be."""
    where = table.paths[0].name
    if told.image == NONE:
        return
    if not columns.image and not columns.chat:
        raise Unclear(
            "image",
            f"{where}: no column names pictures that are here (rows of text alone: --image none)",
            choices=table.columns,
        )
    if len(columns.image) > 1:
        raise Unclear(
            "image",
            f"{where}: several columns hold pictures, and a row reads one of them",
            choices=columns.image,
        )
    if columns.image and not place.share:
        looked = told.images or table.paths[0].parent
        raise MissingInput(
            f"{where}: column {columns.image[0]!r} names {place.example!r}, and no such picture lies below {looked}; say where "
            "the names start with --images FOLDER"
        )


def _rows(columns: Columns, told: Told) -> dict[str, JsonValue]:
    fields: dict[str, JsonValue] = {"image": columns.image[0] if columns.image else ""}
    if columns.question:
        fields["question"] = columns.question
    else:
        fields["question"] = ""
        fields["ask"] = told.ask or (DESCRIBE if _is_report(columns.answer) else SHOWS)
    fields["answer"] = columns.answer
    if len(columns.options) > 1:
        fields["options"] = dict(zip(understanding.LETTERS, columns.options, strict=False))
    elif columns.options:
        fields["options"] = columns.options[0]
    named = {"group": columns.patient, "id": columns.id, "modality": columns.modality}
    fields |= {key: name for key, name in named.items() if name}
    if told.answer_type:
        fields["answer_type"] = told.answer_type
    elif columns.answer_type:
        fields["answer_type_column"] = columns.answer_type
    elif not columns.question and not told.ask and _is_report(columns.answer):
        fields["answer_type"] = "free"
    return fields


def _is_report(name: str) -> bool:
    return (
        bool(names.meant("report", name))
        and names.meant("label", name) < 2
        and names.meant("answer", name) < 2
    )


def _chat(columns: Columns) -> dict[str, JsonValue]:
    fields: dict[str, JsonValue] = {"conversations": columns.chat}
    named = {"image": columns.image[0] if columns.image else "", "group": columns.patient}
    return fields | {key: name for key, name in named.items() if name}


def _dialect(table: Table) -> dict[str, JsonValue]:
    assert table.writing is not None
    usual = "\t" if table.paths[0].suffix.lower() == ".tsv" else ","
    given = {"delimiter": table.writing.delimiter, "encoding": table.writing.encoding}
    return {key: value for key, value in given.items() if value and value != usual}


def _files(table: Table, columns: Columns, root: Path) -> tuple[dict[str, str], dict[str, JsonValue]]:
    """Split -> pattern, and what says of a row which split it is of, where the table does."""
    patterns = {split: sniff.pattern(paths, root) for split, paths in table.files.items()}
    if columns.split:
        if set(patterns) != {""}:
            raise Unclear(
                "split", "both the files and a column say the split of a row", choices=(columns.split, NONE)
            )
        named = {
            value: names.SPLITS[names.spelt(value)]
            for value in sorted(set(understanding.values(table.rows, columns.split)))
        }
        splits = with_held_out(named.values())
        values = {value: splits[split] for value, split in named.items()}
        return (
            {split: patterns[""] for split in ORDER if split in values.values()},
            {"split": columns.split, "split_values": dict(values)},
        )
    if set(patterns) == {""} or "train" not in patterns or len(patterns) == 1:
        return {ALL: next(iter(patterns.values()))}, {}
    splits = with_held_out(patterns)
    return {splits[split]: patterns[split] for split in sorted(patterns, key=ORDER.index)}, {}


def _root(paths: list[Path]) -> Path:
    """The deepest folder that holds all of it."""
    folders = [path.absolute() if path.is_dir() else path.absolute().parent for path in paths]
    return Path(os.path.commonpath(folders))


def _language(table: Table, columns: Columns) -> str:
    texts = "".join(
        understanding.values(table.rows[:200], columns.question or columns.answer or columns.chat)
    )
    if len(re.findall(r"[\u3400-\u9fff]", texts)) > len(texts) / 4:
        return "zh"
    return names.language(table.columns) or "en"


def _told_of(
    table: Table, columns: Columns, place: Place, fields: Mapping[str, JsonValue]
) -> Iterator[tuple[str, str]]:
    """What was found, a line each."""
    shown = ", ".join(path.name for path in table.paths[:3]) + (" ..." if len(table.paths) > 3 else "")
    how = _written(table)
    yield "table", f"{shown}: {len(table.columns)} columns" + (f"; {how}" if how else "")
    if columns.image and place.inside:
        yield "image", f"{columns.image[0]}: pictures inside the table"
    elif columns.image:
        more = f", with {place.suffix} behind each name" if place.suffix else ""
        yield "image", f"{columns.image[0]}: files below {place.folder}{more}"
    for label, name in (
        ("question", columns.question),
        ("answer", columns.answer),
        ("dialogue", columns.chat),
    ):
        if name:
            yield label, name
    if "ask" in fields:
        yield "question", f"{str(fields['ask'])!r} of every row (--ask says another)"
    if columns.options:
        yield "options", ", ".join(columns.options)
    used = {
        *columns.image,
        columns.question,
        columns.answer,
        columns.chat,
        *columns.options,
        columns.id,
        columns.patient,
    }
    used |= {columns.split, columns.modality, columns.answer_type}
    rest = [name for name in table.columns if name not in used]
    if rest:
        yield "not used", ", ".join(rest)


def _written(table: Table) -> str:
    if table.writing is None:
        return ""
    sign = {"\t": "tabs", ",": "commas"}.get(table.writing.delimiter, repr(table.writing.delimiter))
    odd = f" (as in {', '.join(table.writing.odd)})" if table.writing.odd and table.writing.encoding else ""
    return f"{sign} between cells, encoding {table.writing.encoding or 'utf-8'}{odd}"
