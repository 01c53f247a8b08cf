"""One key, or one thing with all its keys, as lines for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from lingshu_train.reference.find import Found
from lingshu_train.reference.keys import Key
from lingshu_train.reference.rooms import Entry

_WIDTH = 100


def text(found: Sequence[Found]) -> str:
    """What was found, each once: keys that mean the same in several places stand together."""
    same: dict[Key, list[Entry]] = {}
    for one in found:
        if one.key:
            same.setdefault(one.key, []).append(one.entry)
    keys = ["\n".join(_key(key, of=entries)) for key, entries in same.items()]
    inner = [
        "\n".join(_inside(key, entries[0])) for key, entries in same.items() if _has_more(key, entries[0])
    ]
    return "\n\n".join([*(_whole(one.entry) for one in found if not one.key), *keys, *inner])


def _whole(entry: Entry) -> str:
    lines = [" ".join(filter(None, (entry.word, entry.name))), *_filled(entry.about)]
    if entry.use:
        lines += ["", *_filled(f"Where: {entry.use}.")]
    for key in entry.keys:
        lines += ["", *_key(key)]
    return "\n".join(lines)


def _key(key: Key, *, of: Sequence[Entry] = ()) -> list[str]:
    named = ", ".join(" ".join(filter(None, (entry.word, entry.name))) for entry in of)
    default = key.default if key.default == "required" else f"default {key.default}"
    return [
        key.path + (f"  ({named})" if named else ""),
        *_filled(f"{key.type}; {default}"),
        *_filled(key.meaning, 4),
    ]


def _has_more(key: Key, entry: Entry) -> bool:
    return any(_below(key, other) for other in entry.keys)


def _inside(key: Key, entry: Entry) -> list[str]:
    """The keys of a block, after the block."""
    return [line for other in entry.keys if _below(key, other) for line in (*_key(other), "")][:-1]


def _below(key: Key, other: Key) -> bool:
    return len(other.parts) > len(key.parts) and other.parts[: len(key.parts)] == key.parts


def _filled(told: str, indent: int = 2) -> list[str]:
    """Paragraphs, wrapped and indented; a line that its file indents stands as it is."""
    lines: list[str] = []
    for paragraph in told.split("\n\n"):
        lines += [""] if lines else []
        if any(line.startswith("  ") for line in paragraph.splitlines()):
            lines += [" " * indent + line for line in paragraph.splitlines()]
        else:
            lines += textwrap.wrap(
                " ".join(paragraph.split()),
                _WIDTH,
                initial_indent=" " * indent,
                subsequent_indent=" " * indent,
            )
    return lines
