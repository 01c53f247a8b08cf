"""File name = component name: finds the components of a folder, and names content by its hash."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from pathlib import Path
from types import ModuleType

from lingshu_train import environment
from lingshu_train.errors import LingshuError, MissingInput, RecipeError

NAME_RULE = "a name has at most 64 letters, digits, _, - and ., and begins with a letter, a digit or _"
_NAME = re.compile(r"\w[\w.-]{0,63}")
_NAME_BYTES = 180
"""A folder's name has at most 255 on common file systems, and a stage's ends in its hash."""


def is_name(text: str) -> bool:
    """Whether a text is a name by `NAME_RULE`: one part of a path on every file system, and one word of a command line."""
    return bool(_NAME.fullmatch(text)) and len(text.encode()) <= _NAME_BYTES


def components(package: str) -> list[str]:
    """Names of the components of a room: every module or folder, ours or a plugin's, without a leading underscore.

    MissingInput (66) where a plugin folder is not there, RecipeError (78) where two components have one name.
    """
    names: list[str] = []
    for folder in _room(package).__path__:
        found = {path.stem for path in Path(folder).iterdir() if _component(path)}
        for name in sorted(found & set(names)):
            raise RecipeError(
                f"{folder}/{name}: there is a component {name!r} already; give yours another name"
            )
        names += found
    return sorted(names)


def component(package: str, name: str, *, where: str, error: type[LingshuError]) -> ModuleType:
    """Import the component `name`, or say what there is."""
    known = components(package)
    if name not in known:
        folder = package.rpartition(".")[2]
        raise error(f"{where}: unknown {_one_of(folder)} {name!r}; {folder}/ has: {', '.join(known)}")
    return importlib.import_module(f"{package}.{name}")


def plugin_digests() -> dict[str, str]:
    """sha256 of every Python file of the plugins, by its path in them: what they do is part of what names a stage.

    Trackers and papers are left out, since they cannot change a bit.
    """
    files = [(root, path) for root in environment.plugins() for path in sorted(root.rglob("*.py"))]
    named = {path.relative_to(root).as_posix(): path for root, path in files}
    return {
        name: file_digest(path)
        for name, path in named.items()
        if not name.startswith(("trackers/", "papers/"))
    }


_ADDED: dict[str, list[str]] = {}
"""The folders of plugins that each package has been given."""


def _room(package: str) -> ModuleType:
    """The package of a room, with the folders that plugins add to it."""
    module = importlib.import_module(package)
    added: list[str] = []
    for root in environment.plugins():
        if not root.is_dir():
            raise MissingInput(f"LINGSHU_PLUGINS: {root}: no such folder")
        folder = root.joinpath(*package.split(".")[1:])
        if folder.is_dir():
            added.append(str(folder))
    # What the variable named earlier in this process, and names no longer, is forgotten.
    gone = _ADDED.get(package, [])
    module.__path__[:] = [*(folder for folder in module.__path__ if folder not in (*gone, *added)), *added]
    _ADDED[package] = added
    return module


def _component(path: Path) -> bool:
    python = path.suffix == ".py" or (path / "__init__.py").is_file()
    return python and not path.name.startswith("_")


def _one_of(folder: str) -> str:
    """A folder's name in the singular: rewards -> reward, families -> family."""
    return f"{folder[:-3]}y" if folder.endswith("ies") else folder.removesuffix("s")


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(data: object) -> str:
    """JSON text with sorted keys and no spaces: equal data has equal text."""
    return _CANONICAL.encode(data)


def digest(data: object) -> str:
    """sha256 of the canonical JSON of `data`."""
    return hashlib.sha256(canonical(data).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
