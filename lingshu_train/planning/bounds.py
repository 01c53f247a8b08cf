"""What a recipe may not hold, whoever wrote it: more than a plan can read, or a credential. No message repeats the text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress

import yaml

from lingshu_train import credentials
from lingshu_train.documents import check_yaml
from lingshu_train.errors import RecipeError

MOST_FILE = 1 << 18
"""Bytes of a recipe's file; the largest of ours has 20 kB."""
MOST_TYPED = 20_000
"""Characters of all overrides of a command line: Hydra reads a list of three thousand words in a second."""
MOST_TEXT = 1_000_000
"""Characters of a recipe once its interpolations (${key}) are written out; ours have 20,000."""
LOGIN = (
    "a recipe is copied into the run, its manifests and its report; take it out and revoke it, and log in with the "
    "service's own command, or name a file that holds it (token_file)"
)
MOST_NESTED = 50
"""Lists and mappings within one another in a typed value; Hydra's parser takes half a millisecond for each."""
_REFERENCE = re.compile(r"\$\{\s*([^${}:]+?)\s*\}")
_OPENS = {"[": 1, "{": 1, "(": 1, "]": -1, "}": -1, ")": -1}
_KEY = re.compile(r"[\s\-?]*[\"']?([\w.-]+)[\"']?\s*:")


def check_overrides(overrides: Sequence[str]) -> None:
    """RecipeError (78): more is typed than is ever meant, or a value looks like a credential."""
    typed = sum(map(len, overrides))
    if typed > MOST_TYPED:
        raise RecipeError(
            f"the command line has {typed:,} characters of settings, and at most {MOST_TYPED:,} are read; "
            "write them into a recipe of your own"
        )
    for text in overrides:
        key, _, value = text.lstrip("+~").partition("=")
        if _depth(value) > MOST_NESTED:
            raise RecipeError(f"{key[:60]}: lists and mappings are nested more than {MOST_NESTED} deep")
        if credentials.kind(key):
            raise RecipeError(f"the command line: a key looks like {credentials.kind(key)}; {LOGIN}")
        for place, kind in credentials.inside(_nested(key, value.strip("\"' "))):
            raise RecipeError(f"{place}: holds what looks like {kind}; {LOGIN}")


def check_credentials(data: object) -> None:
    """RecipeError (78) names the key under which something looks like a credential."""
    for place, kind in credentials.inside(data):
        raise RecipeError(f"{place}: holds what looks like {kind}; {LOGIN}")


def check_text(text: str) -> None:
    """The same of a file as it stands, comments too. Names the line and the key above."""
    key = ""
    for number, line in enumerate(text.split("\n"), 1):
        found = _KEY.match(line)
        key = found[1] if found and not credentials.kind(found[1]) else key
        kind = credentials.kind(line)
        if kind:
            under = f", under {key}" if key else ""
            raise RecipeError(f"line {number}{under}: holds what looks like {kind}; {LOGIN}")


def check_file(text: str) -> None:
    """Before a value of a recipe's file is made: TooMuch as `documents.check_yaml` has it. What is no YAML is left to who
    reads it, whose words are plainer than those of the fast reader here."""
    with suppress(yaml.YAMLError):
        check_yaml(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def check_growth(data: object) -> None:
    """RecipeError (78): the recipe's interpolations stand for more text than any recipe has. Reads it as it is before they are
    resolved; one that leads nowhere, or to itself, is told by who resolves them."""
    sizes: dict[str, int] = {}

    def size(value: object, path: str) -> int:
        if path in sizes:
            return sizes[path]
        sizes[path] = 0
        found = 1
        if isinstance(value, Mapping):
            found += sum(len(str(key)) + size(inner, _under(path, key)) for key, inner in value.items())
        elif isinstance(value, list | tuple):
            found += sum(size(inner, _under(path, place)) for place, inner in enumerate(value))
        elif isinstance(value, str):
            found += len(value) + sum(referred(name, path) for name in _REFERENCE.findall(value))
        sizes[path] = found
        if found > MOST_TEXT:
            raise RecipeError(
                f"{path or 'the recipe'}: its interpolations (${{key}}) stand for more than {MOST_TEXT:,} characters"
            )
        return found

    def referred(name: str, path: str) -> int:
        dots = len(name) - len(name.lstrip("."))
        above = path.split(".")[: -dots or None] if dots else []
        parts = [*above, *(part for part in re.split(r"[.\[\]]+", name.lstrip(".")) if part)]
        place: object = data
        for part in parts:
            if isinstance(place, Mapping) and part in place:
                place = place[part]
            elif isinstance(place, list) and part.isdigit() and int(part) < len(place):
                place = place[int(part)]
            else:
                return 0
        return size(place, ".".join(parts))

    size(data, "")


def _depth(value: str) -> int:
    """Of brackets, those in quotes too: none is ever meant as deep as what is refused."""
    return max(itertools.accumulate(_OPENS.get(sign, 0) for sign in value), default=0)


def _under(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _nested(key: str, value: str) -> dict[str, object]:
    """An override as the data it makes, as far as its parts are plain text: {a: {b: value}} of a.b=value."""
    found: object = value
    for part in reversed(key.split(".")):
        found = {part: found}
    inner = re.findall(r"[\"']?([\w.-]+)[\"']?\s*:\s*[\"']?([^\s,{}\[\]\"']+)", value)
    assert isinstance(found, dict)
    return {**({f"{key}.{name}": text for name, text in inner} if "{" in value else {}), **found}
