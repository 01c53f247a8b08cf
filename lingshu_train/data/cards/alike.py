"""The same files under other names: what a publisher, a mirror or whoever unpacked them has changed, and a card need not say.

One rule for all cards. Files are first looked for as the card names them; only where nothing is there under that name, as
one of these: in a folder that was put around all of them; each folder in another one of its name; JSON as JSON Lines and
the reverse; in shards, in one piece or in other shards; with or without the hub's `data/`. What was taken instead is told
(`told`). Two readings are an error, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lingshu_train.data.cards import patterns

_JSON = (".json", ".jsonl", ".ndjson")
_TABLES = (*_JSON, ".parquet", ".arrow", ".csv", ".tsv")
_SHARD = re.compile(r"-(\d{2,})-of-(\d{2,})(?=\.[A-Za-z]+$)")
MOST_FOLDERS = 64
"""Folders beside each other that are looked into: an archive adds one, and a set of so many patients is no wrapper."""


def files(folder: Path, pattern: str) -> list[Path]:
    """The files below `folder` that match, or else those that stand for them; of several readings all."""
    return sorted({path for _, found in readings(folder, pattern) for path in found})


def there(folder: Path, pattern: str) -> bool:
    """Whether there are any. Of a million pictures one is looked for, not all."""
    return next(patterns.files(folder, pattern), None) is not None or bool(readings(folder, pattern))


def readings(folder: Path, pattern: str) -> list[tuple[str, tuple[Path, ...]]]:
    """The patterns under which the files of `pattern` lie there, each with its files; `pattern` itself alone where it
    matches."""
    if strict := tuple(sorted(set(patterns.files(folder, pattern)))):
        return [(pattern, strict)]
    found: dict[tuple[Path, ...], str] = {}
    for choice in patterns.expand(pattern):
        for other in _others(choice):
            if there := tuple(sorted(set(patterns.files(folder, other)))):
                found.setdefault(there, other)
    return [(other, there) for there, other in found.items()]


def listed(names: Iterable[str], pattern: str) -> list[str]:
    """Of a listing in which nothing matches: the patterns under which its names stand for what `pattern` names."""
    every = list(names)
    found: dict[tuple[str, ...], str] = {}
    for choice in patterns.expand(pattern):
        for other in _others(choice):
            if there := tuple(name for name in every if patterns.match(name, [other])):
                found.setdefault(there, other)
    return list(found.values())


def fault(folder: Path, pattern: str, found: list[tuple[str, tuple[Path, ...]]]) -> str:
    """Why nobody can tell which of the `readings` a pattern means; empty where it is plain."""
    choices = len(patterns.expand(pattern))
    if len(found) > 1 and choices == 1:
        names = " and ".join(there[0].relative_to(folder).as_posix() for _, there in found)
        return f"{folder}: no {pattern}, and both {names} could stand for it; leave one of them there"
    for _, there in found:
        totals: dict[tuple[str, str], set[str]] = {}
        for path in there:
            if shard := _SHARD.search(path.name):
                stem = path.name[: shard.start()]
                totals.setdefault((str(path.parent), stem), set()).add(shard[2])
        for (_, stem), numbers in totals.items():
            if len(numbers) > 1:
                said = " and ".join(f"-of-{number}" for number in sorted(numbers))
                return (
                    f"{folder}: {stem}: shards of two divisions lie there ({said}); leave those of one there"
                )
    return ""


def seen(folder: Path, root: Path, wanted: Iterable[str]) -> list[str]:
    """How the files of the patterns lie, where that is not as they say: `root` is where they are read, in the data `folder`."""
    inner = root.relative_to(folder).as_posix() if root.is_relative_to(folder) else "."
    found = [f"all in a folder more, {inner}/"] if inner != "." else []
    return [*found, *dict.fromkeys(line for pattern in wanted for line in told(root, pattern))]


def told(folder: Path, pattern: str) -> Iterator[str]:
    """What was taken in place of what the pattern names, and how many shards there are where some are not there."""
    for other, there in readings(folder, pattern):
        if other != pattern:
            yield f"{other} in place of {pattern}"
        counted: dict[tuple[str, str, str], int] = {}
        for path in there:
            if shard := _SHARD.search(path.name):
                key = (str(path.parent), path.name[: shard.start()], shard[2])
                counted[key] = counted.get(key, 0) + 1
        for (_, stem, total), count in counted.items():
            if count != int(total):
                yield f"{count} of the {int(total)} shards of {stem}"


def around(folder: Path, wanted: Mapping[str, None]) -> list[Path]:
    """The folders below `folder` that hold files of the patterns as it should itself: of the least depth, one or two; several
    where nobody can tell which is meant."""
    below = _folders(folder)
    for places in (below, [inner for one in below for inner in _folders(one)]):
        found = [place for place in places if any(there(place, pattern) for pattern in wanted)]
        if found:
            return found
    return []


def _folders(folder: Path) -> list[Path]:
    try:
        found = sorted(one for one in folder.iterdir() if one.is_dir() and not _hidden(one))
    except OSError:
        return []
    return found if len(found) <= MOST_FOLDERS else []


def _hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name == "__MACOSX"


def _others(choice: str) -> Iterator[str]:
    """Other names of what one choice of a pattern names, the likeliest first."""
    begin, slash, rest = choice.partition("/")
    if slash and begin not in ("**", ".", ".."):
        yield f"{begin}/{begin}/{rest}"
    stem, dot, ending = choice.rpartition(".")
    suffix = f".{ending.lower()}" if dot else ""
    if suffix not in _TABLES:
        return
    for one in (suffix, *(other for other in _JSON if suffix in _JSON and other != suffix)):
        for body in _bodies(stem):
            if f"{body}{one}" != choice:
                yield f"{body}{one}"


def _bodies(stem: str) -> Iterator[str]:
    """The stem itself, then in one piece, in shards, in a folder of its own, each with and without `data/`."""
    own = [stem]
    if stem.endswith(("-*", "_*")) and (bare := stem[:-2]) and not bare.endswith(("/", "*")):
        own += [bare, f"{bare}-*-of-*", f"{bare}/*"]
    elif (shard := re.search(r"-\d{2,}-of-\d{2,}$", stem)) is not None:
        own += [f"{stem[: shard.start()]}-*-of-*", stem[: shard.start()]]
    elif not re.search(r"[*?\[]", stem.rpartition("/")[2]):
        own += [f"{stem}-*-of-*"]
    for one in own:
        yield one
        yield one.removeprefix("data/") if one.startswith("data/") else f"data/{one}"
