"""Keys of a row in other spellings than the card's: `Question` for `question`, `img_path` for `image_path`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from lingshu_train.data.rows.line import Line

_WORDS = {"img": "image", "imgs": "images", "pic": "image", "picture": "image", "ans": "answer"}
_PLACES = ("path", "paths", "name", "names", "filename", "file", "files")
"""What a key of a picture may say besides."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def read(line: Line, columns: Mapping[str, str]) -> tuple[Line, tuple[str, ...]]:
    """The row with the keys that `columns` names, and what it calls them itself. Only a key that is not there at all is looked
    for under another spelling. DataError: two keys of the row could be meant.
    """
    lacking = [column for column in columns if column not in line.values]
    if not lacking:
        return line, ()
    values, told = dict(line.values), list[str]()
    for column in lacking:
        found = _alike(column, columns[column], tuple(line.values), tuple(columns))
        if len(found) > 1:
            said = f"{found[0]!r} stands beside {' and '.join(map(repr, found[1:]))}"
            raise line.error(column, f"is missing, and {said}; say in the card which is meant")
        if found and not _several(found[0], column):
            values[column] = values.pop(found[0])
            told.append(f"key {found[0]!r} for {column!r}")
    return (replace(line, values=values), tuple(told)) if told else (line, ())


@lru_cache(maxsize=1024)
def _alike(column: str, content: str, keys: tuple[str, ...], columns: tuple[str, ...]) -> tuple[str, ...]:
    """The keys that are another spelling of the column, and no column themselves. Rows of a file have the same keys."""
    own = [key for key in keys if isinstance(key, str) and key not in columns]
    plain = _picture if content == "image" else _plain
    return tuple(key for key in own if plain(key) == plain(column))


def _several(key: str, column: str) -> bool:
    """Whether a key of several pictures stands for a key of one: whether that is read, the layout knows."""
    return _plain(key) != _plain(column) and _words(key)[-1].endswith("s") and not column.endswith("s")


def _words(key: str) -> list[str]:
    words = re.split(r"[\s_.\-]+", _CAMEL.sub(" ", key).strip())
    return [_WORDS.get(word.casefold(), word.casefold()) for word in words if word]


def _plain(key: str) -> str:
    return "".join(_words(key))


def _picture(key: str) -> str:
    """What a key says of a picture besides that it is a name: `image_path`, `img` and `imageName` are one."""
    words = _words(key)
    while len(words) > 1 and words[-1] in _PLACES:
        words.pop()
    return "".join(words).removesuffix("s")
