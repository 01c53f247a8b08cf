"""The model that a recipe starts from: where it lies on this machine, and whether it is whole. No torch, no network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from lingshu_train import environment
from lingshu_train.documents import decoded, read_text
from lingshu_train.errors import DataError, MissingInput, RecipeError
from lingshu_train.model import shape
from lingshu_train.model.settings import Settings
from lingshu_train.schema import Strict

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?")
"""What the hub takes as the name of a model."""
COMMIT = re.compile(r"[0-9a-f]{40}")
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""Where transformers looks for weights, in this order."""
TOKENIZERS = ("tokenizer.json", "vocab.json", "tokenizer.model")
NEEDED = ("*.json", "*.safetensors", "*.txt", "*.jinja", "*.model")
"""What of a repository on the hub is used."""
_POINTER = b"version https://git-lfs"
_LARGEST_HEADER = 100_000_000
"""Of a safetensors file, in bytes: the format's own limit."""


class Base(Strict):
    """Where `named` was found: a folder of this machine, a snapshot in the hub's cache, or nowhere yet on this machine."""

    named: str
    revision: str
    kind: Literal["folder", "cached", "absent"]
    folder: str = ""


def find(settings: Settings) -> Base | None:
    """The base of a recipe, a folder before the hub's cache as in transformers; None where a model is built from nothing.

    MissingInput (66) where it can be neither.
    """
    named, revision = settings.base, settings.revision
    if not named:
        return None
    if Path(named).is_dir():
        return Base(named=named, revision=revision, kind="folder", folder=named)
    if Path(named).exists():
        raise MissingInput(
            f"model.base: {named}: is a file; a model is a folder, or a name on the Hugging Face Hub"
        )
    if not REPOSITORY.fullmatch(named):
        raise MissingInput(f"model.base: {named}: no such folder")
    snapshot = _snapshot(environment.hub_cache() / f"models--{named.replace('/', '--')}", revision or "main")
    if snapshot is None:
        return Base(named=named, revision=revision, kind="absent")
    return Base(named=named, revision=revision, kind="cached", folder=str(snapshot))


def told(found: Base) -> str:
    """A base for people: its name, and where it is."""
    revision = f" at {found.revision}" if found.revision else ""
    if found.kind == "absent":
        return f"{found.named}{revision} (no such folder, and not in the cache: {how_to_get(found)})"
    return f"{found.named}{revision} ({'a folder' if found.kind == 'folder' else 'in the cache'})"


def how_to_get(base: Base) -> str:
    """The command that brings a model into the cache."""
    revision = f" --revision {base.revision}" if base.revision else ""
    return f"hf download {base.named}{revision}"


def check(base: Base, settings: Settings, *, thorough: bool = False) -> None:
    """Whether a model that is here can be started from: configuration, weights, tokenizer. Nothing is said of one that is
    absent. `thorough` also reads the tokenizer, which takes a tenth of a second.

    MissingInput (66) names what is missing, DataError (65) what is damaged, RecipeError (78) another architecture.
    """
    if base.kind == "absent":
        return
    folder = Path(base.folder)
    _check_config(base, folder, settings)
    for weights in _weights(base, folder):
        _check_weights(base, weights)
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise _missing(base, f"no tokenizer ({' or '.join(TOKENIZERS)})")
    words = folder / TOKENIZERS[0]
    if thorough and words.is_file():
        found = decoded(read_text(words), where=f"model.base: {words}")
        if not isinstance(found, dict) or "model" not in found:
            raise DataError(f"model.base: {words}: no tokenizer of the tokenizers library")


def files(folder: Path) -> tuple[str, ...]:
    """The names of the files of a model's folder that loading it may read: configuration, weights, tokenizer, templates."""
    patterns = (*NEEDED, "*.bin")
    return tuple(sorted({path.name for kind in patterns for path in folder.glob(kind) if path.is_file()}))


def _snapshot(repository: Path, revision: str) -> Path | None:
    """As huggingface_hub lays out its cache: refs/NAME holds a commit, snapshots/COMMIT the files."""
    commit = revision
    if not COMMIT.fullmatch(revision):
        reference = repository / "refs" / revision
        if not reference.is_file():
            return None
        commit = read_text(reference).strip()
    folder = repository / "snapshots" / commit
    return folder if folder.is_dir() else None


def _check_config(base: Base, folder: Path, settings: Settings) -> None:
    path = folder / "config.json"
    if not path.is_file():
        raise _missing(base, "no config.json, so this is no model")
    try:
        config = decoded(read_text(path), where=str(path))
    except DataError as fault:
        raise DataError(f"model.base: {fault}") from None
    if not isinstance(config, dict):
        raise DataError(f"model.base: {path}: must be a JSON object")
    known = shape.of(settings.family)
    found, wanted = config.get("model_type"), known.model_type
    if wanted and found != wanted:
        way = f"; {known.elsewhere[str(found)]}" if found in known.elsewhere else ""
        raise RecipeError(
            f"model.base: {base.named}: is of type {found!r}, and model.family loads {wanted!r}{way}"
        )


def _weights(base: Base, folder: Path) -> Iterator[Path]:
    """The files that hold the weights; every one that an index names has to be there."""
    name = next((name for name in WEIGHTS if (folder / name).is_file()), None)
    if name is None:
        raise _missing(base, "no weights (model.safetensors, or an index and its files)")
    if not name.endswith(".index.json"):
        yield folder / name
        return
    index = decoded(read_text(folder / name), where=f"model.base: {folder / name}")
    table = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(table, dict) or not all(isinstance(file, str) for file in table.values()):
        raise DataError(f"model.base: {folder / name}: has no weight_map of names to files")
    files = sorted(set(table.values()))
    absent = [file for file in files if not (folder / file).is_file()]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise _missing(base, f"{absent[0]}{more} of its {len(files)} files of weights missing")
    yield from (folder / file for file in files)


def _check_weights(base: Base, path: Path) -> None:
    """Whether a safetensors file is as long as its header says: what a broken download or a pointer of Git LFS is not."""
    if path.suffix != ".safetensors":
        return
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(8)
        if _POINTER.startswith(start) and start:
            raise DataError(
                f"model.base: {path}: a pointer of Git LFS and not the weights; `git lfs pull` gets them"
            )
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(size, _LARGEST_HEADER):
            raise DataError(f"model.base: {path}: no safetensors file, or cut short")
        ends = _ends(stream.read(length))
    if ends is None or size != 8 + length + ends:
        raise DataError(f"model.base: {path}: damaged, or cut short ({size:,} bytes)")


def _ends(header: bytes) -> int | None:
    """Where the last tensor of a safetensors header ends, in bytes after it; None where it is no header."""
    try:
        tensors = json.loads(header)
        return max(
            (one["data_offsets"][1] for name, one in tensors.items() if name != "__metadata__"), default=0
        )
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None


def _missing(base: Base, what: str) -> MissingInput:
    way = "" if base.kind == "folder" else f"; the download is not whole: {how_to_get(base)}"
    return MissingInput(f"model.base: {base.named}: {what}{way}")
