"""File name = component name: finds the components of a folder, and names content by its hash."""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

from lingshu_train.errors import LingshuError


def components(package: str) -> list[str]:
    """Names of the components in a package folder: every module or folder that does not start with an underscore."""
    found = [path for folder in importlib.import_module(package).__path__ for path in Path(folder).iterdir()]
    named = (path.stem for path in found if path.suffix == ".py" or (path / "__init__.py").is_file())
    return sorted(name for name in named if not name.startswith("_"))


def component(package: str, name: str, *, where: str, error: type[LingshuError]) -> ModuleType:
    """Import the component `name`, or say what there is."""
    known = components(package)
    if name not in known:
        folder = package.rpartition(".")[2]
        raise error(f"{where}: unknown {_one_of(folder)} {name!r}; {folder}/ has: {', '.join(known)}")
    return importlib.import_module(f"{package}.{name}")


def _one_of(folder: str) -> str:
    """A folder's name in the singular: rewards -> reward, families -> family."""
    return f"{folder[:-3]}y" if folder.endswith("ies") else folder.removesuffix("s")


def canonical(data: Any) -> str:
    """JSON text with sorted keys and no spaces: equal data has equal text."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(data: Any) -> str:
    """sha256 of the canonical JSON of `data`."""
    return hashlib.sha256(canonical(data).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
