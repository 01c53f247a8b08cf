"""From what a person types to what it means: `stages.rl.max_length`, `sft.epochs`, `reward trace`, `66`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from lingshu_train.errors import UsageError
from lingshu_train.reference import rooms
from lingshu_train.reference.keys import Key
from lingshu_train.reference.rooms import Entry

_ANY = "NAME"
_MOST = 6
_BETWEEN = {"stage": ("stages", _ANY), "tracker": ("trackers", "params")}
"""Where the keys of a component stand in a recipe, for those who copy a key from one."""


@dataclass(frozen=True, slots=True)
class Found:
    """A key, and what it belongs to. Without a key, the whole entry is meant."""

    entry: Entry
    key: Key | None = None


def find(said: Sequence[str]) -> list[Found]:
    """What is meant. UsageError (64) lists near names, and keys whose meaning speaks of the word."""
    known = rooms.everything()
    asked = " ".join(said).strip()
    named = [entry for entry in known if asked in _names(entry)]
    if named:
        return [Found(entry) for entry in named]
    parts = _parts(asked)
    found = [Found(entry, key) for entry in known for key in entry.keys if _exactly(parts, entry, key)]
    found = found or [Found(entry, key) for entry in known for key in entry.keys if _ends(parts, entry, key)]
    if found:
        return found
    raise UsageError(f"nothing is called {asked!r}; {_near(asked, known)}")


def addresses() -> list[str]:
    """All that `find` takes and that says itself what it is, for a shell that completes it."""
    found = []
    for entry in rooms.everything():
        if entry.name:
            found.append(entry.name)
        found += [".".join([*([entry.name] if entry.name else []), *key.parts]) for key in entry.keys]
    return sorted(set(found))


def _names(entry: Entry) -> tuple[str, ...]:
    if not entry.name:
        return (entry.word,)
    return entry.name, f"{entry.word} {entry.name}", f"{entry.word}s {entry.name}"


def _parts(asked: str) -> tuple[str, ...]:
    """A path without places in lists: `data[0].corpus` and `data.0.corpus` are `data.corpus`."""
    words = re.sub(r"\[\w*\]", "", asked.removeprefix("lingshu.")).replace(" ", ".").split(".")
    return tuple(word for word in words if word and not word.isdigit())


def _addressed(entry: Entry, key: Key) -> Iterator[tuple[str, ...]]:
    """Every way to write a key in full."""
    if not entry.name:
        yield key.parts
        yield (entry.word, *key.parts)
        return
    yield (entry.name, *key.parts)
    yield (entry.word, entry.name, *key.parts)
    if entry.word in _BETWEEN:
        yield (*_BETWEEN[entry.word], *key.parts)


def _same(said: Sequence[str], written: Sequence[str]) -> bool:
    return len(said) == len(written) and all(
        theirs in (mine, _ANY) for mine, theirs in zip(said, written, strict=True)
    )


def _exactly(parts: tuple[str, ...], entry: Entry, key: Key) -> bool:
    return any(_same(parts, written) for written in _addressed(entry, key))


def _ends(parts: tuple[str, ...], entry: Entry, key: Key) -> bool:
    """Whether a key ends so: `max_length`, `limits.wall_s`."""
    return bool(parts) and _same(parts, key.parts[-len(parts) :])


def _near(asked: str, known: Sequence[Entry]) -> str:
    word = (_parts(asked) or (asked,))[-1]
    called = {entry.name: f"{entry.word} {entry.name}" for entry in reversed(known) if entry.name}
    for entry in known:
        for key in entry.keys:
            called.setdefault(key.parts[-1], f"{entry.name}.{key.path}".lstrip("."))
    near = [called[name] for name in get_close_matches(word, sorted(called), n=_MOST, cutoff=0.6)]
    spoken = re.compile(rf"(?i)\b{re.escape(word)}\b")
    told = [
        f"{entry.name}.{key.path}".lstrip(".")
        for entry in known
        for key in entry.keys
        if spoken.search(key.meaning)
    ]
    lines = [f"near names: {', '.join(near)}"] if near else []
    lines += [f"the word stands in the meaning of: {', '.join(dict.fromkeys(told[:_MOST]))}"] if told else []
    return "; ".join(lines) or "`lingshu docs` prints all that there is"
