"""The reference as Markdown pages, each made from the code and never written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lingshu_train.data.rows.row import SplitFiles, TableFiles
from lingshu_train.documents import read_text, there
from lingshu_train.errors import CannotCreate
from lingshu_train.reference import keys, rooms
from lingshu_train.reference.keys import Key
from lingshu_train.reference.rooms import Entry, Room
from lingshu_train.runs.files import failure, write_text

_MADE = "Made from the code by `lingshu docs --out docs/reference`; a change here would be lost.\n"
_BLOCKS = "A key of a block stands behind a dot; `[]` marks a list, NAME a name of your own.\n"


def pages() -> Mapping[str, str]:
    """Every page by the name of its file."""
    return {
        "recipe.md": _page("Recipes", [_BLOCKS, _table(rooms.recipe().keys), *_room(rooms.FAMILY)]),
        "stages.md": _page("Stages", [_BLOCKS, *_room(rooms.STAGE, title=False)]),
        "components.md": _page("Rewards, curation, trackers and the rest", _components()),
        "data.md": _page("Data cards and formats", _data()),
    }


def whole() -> str:
    """All pages, one after the other."""
    return "\n".join(pages().values())


def write(folder: Path) -> list[Path]:
    """Write every page into `folder`. OutputFailed or CannotCreate: it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise failure(folder, fault) from None
    for name in pages():
        if there(folder / name) and _MADE not in read_text(folder / name):
            raise CannotCreate(
                f"{folder / name}: is there already and no page of ours; choose another folder"
            )
    written = []
    for name, text in pages().items():
        write_text(folder / name, text)
        written.append(folder / name)
    return written


def _components() -> list[str]:
    shown = [room for room in rooms.ROOMS if room not in (rooms.STAGE, rooms.FORMAT, rooms.FAMILY)]
    parts = [part for room in shown for part in _room(room)]
    codes = [("Code", "Means"), *((entry.name, entry.about) for entry in rooms.exits())]
    return [*parts, "## Exit codes\n", _rows(codes)]


def _data() -> list[str]:
    every, table = keys.of(SplitFiles), keys.of(TableFiles)
    shared = dict.fromkeys((*every, *table))
    parts = [
        "## Cards\n",
        f"Keys {rooms.card().use}.\n",
        _BLOCKS,
        _table(rooms.card().keys),
        f"## {rooms.FORMAT.title}\n",
    ]
    parts += [f"Written as {rooms.FORMAT.use}. What formats of rows have in common:\n", _table(every)]
    parts += ["What formats of tables have beside:\n", _table([key for key in table if key not in every])]
    for entry in rooms.entries(rooms.FORMAT):
        own = tuple(key for key in entry.keys if key not in shared)
        common = "" if len(own) == len(entry.keys) else "rows"
        common = "tables" if set(table) <= set(entry.keys) else common
        parts += [f"### {entry.name}\n", *_entry(replace(entry, keys=own))]
        parts += [f"{'And' if own else 'Has'} what formats of {common} have in common.\n"] if common else []
    return parts


def _page(title: str, parts: Iterable[str]) -> str:
    return "\n".join([f"# {title}\n", _MADE, *parts])


def _room(room: Room, *, title: bool = True) -> list[str]:
    mark = "###" if title else "##"
    parts = [f"## {room.title}\n"] if title else []
    parts.append(
        f"Written as {room.use}.\n"
        if room.use.startswith("`") or title is False
        else f"{room.use.capitalize()}.\n"
    )
    for entry in rooms.entries(room):
        parts += [f"{mark} {entry.name}\n", *_entry(entry)]
    return parts


def _entry(entry: Entry) -> list[str]:
    paragraphs = [one if "\n  " in one else " ".join(one.split()) for one in entry.about.split("\n\n")]
    return [_safe("\n\n".join(paragraphs)) + "\n", *([_table(entry.keys)] if entry.keys else [])]


def _table(known: Sequence[Key]) -> str:
    return _rows(
        [
            ("Key", "Type", "Default", "Meaning"),
            *((f"`{key.path}`", key.type, key.default, key.meaning) for key in known),
        ]
    )


def _rows(rows: Sequence[tuple[str, ...]]) -> str:
    head, *body = rows
    lines = [head, tuple("---" for _ in head), *body]
    return (
        "\n".join(
            "| " + " | ".join(_safe(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
        )
        + "\n"
    )


def _safe(text: str) -> str:
    """Text whose angle brackets are shown, not read as HTML; between backticks they are shown anyway."""
    spans = text.split("`")
    return "`".join(span if place % 2 else span.replace("<", "&lt;") for place, span in enumerate(spans))
