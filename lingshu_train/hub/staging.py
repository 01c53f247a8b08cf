"""Chooses, checks and copies the files that may leave the machine: by an allow-list, nothing else."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

from safetensors import SafetensorError, safe_open

from lingshu_train import credentials
from lingshu_train.errors import DataError, NotPermitted
from lingshu_train.hub import statement
from lingshu_train.naming import file_digest

ALLOWED = (".safetensors", ".json", ".jinja", ".txt", ".md")
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".dill")
"""Suffixes of files that can run code where they are loaded, whatever they hold; numpy's may hold pickled objects."""
PICKLE_START = re.compile(rb"\x80[\x02-\x05]|PK\x03\x04")
"""A pickle of protocol 2 to 5, or the zip archive in which torch.save puts one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFile:
    """One file to publish: its name in the repository, where it lies, its size in bytes and its sha256."""

    name: str
    path: Path
    size: int
    sha256: str


def choose(folder: Path) -> tuple[tuple[StagedFile, ...], tuple[str, ...]]:
    """The files of an export folder that may be published, and the names of those left out.

    Raises NotPermitted for a pickle, a link or a secret, DataError for a damaged safetensors file. The
    message names the file and the kind of secret, never the secret.
    """
    chosen: list[StagedFile] = []
    left_out: list[str] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise NotPermitted(f"{path}: is a link; an exported model holds plain files only")
        if path.is_dir():
            continue
        _refuse_pickle(path)
        if not _allowed(name):
            left_out.append(name)
            continue
        _refuse_secret(path)
        chosen.append(StagedFile(name=name, path=path, size=path.stat().st_size, sha256=file_digest(path)))
    return tuple(chosen), tuple(left_out)


def copy(files: Sequence[StagedFile], target: Path) -> None:
    """Put the chosen files, and nothing else, into an empty folder. DataError when one changed meanwhile."""
    for file in files:
        place = target / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file.path, place)
        except OSError:
            shutil.copyfile(file.path, place)
        if file_digest(place) != file.sha256:
            raise DataError(
                f"{file.path}: changed while it was being published; run `lingshu verify`, then push again"
            )


def _allowed(name: str) -> bool:
    if name == statement.NAME:
        return True
    parts = PurePosixPath(name).parts
    return name.endswith(ALLOWED) and not any(part.startswith(".") for part in parts)


def _refuse_pickle(path: Path) -> None:
    with path.open("rb") as stream:
        start = stream.read(4)
    if path.suffix.lower() in PICKLES or PICKLE_START.match(start):
        raise NotPermitted(
            f"{path}: a pickle can run code where it is loaded and is never published; move it out of that folder "
            "(weights go into safetensors)"
        )


def _refuse_secret(path: Path) -> None:
    words = (
        _texts(path) if path.suffix == ".safetensors" else path.read_text(encoding="utf-8", errors="replace")
    )
    for kind, pattern in credentials.KINDS.items():
        found = pattern.search(words)
        if found:
            line = words.count("\n", 0, found.start()) + 1
            raise NotPermitted(
                f"{path}:{line}: holds what looks like {kind}; revoke it, and take it out of what was exported"
            )


def _texts(path: Path) -> str:
    """All that is text in a safetensors file: the names of its tensors and its metadata. DataError where it is not whole."""
    try:
        with safe_open(path, framework="numpy") as opened:
            return " ".join([*opened.keys(), *chain(*(opened.metadata() or {}).items())])
    except SafetensorError as fault:
        raise DataError(f"{path}: damaged or truncated: {' '.join(str(fault).split())}") from None
