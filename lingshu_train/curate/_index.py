"""What was measured of a corpus, kept beside it: whoever compares with it later measures nothing again.

A file a measurement, sealed, for the rows that are left and the pictures that they show. Where one is missing, damaged, or of
other rows, settings or versions, the corpus is measured again: decisions are the same with and without.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import lingshu_train
from lingshu_train import naming
from lingshu_train.curate import _looks, _rows
from lingshu_train.curate._looks import Looks
from lingshu_train.curate._rows import Source
from lingshu_train.curate._steps import Loaded
from lingshu_train.data.corpus import corpus
from lingshu_train.errors import CannotCreate, MissingInput, OutputFailed
from lingshu_train.naming import digest
from lingshu_train.runs.arrays import save_array, sealed

LOOKS = "looks"


def of_step(step: Loaded) -> str:
    """What names a step's measurements: all that they depend on beside the rows. The code of a step of ours is named by its
    VERSION; that of a plugin is hashed, with whatever else plugins bring, which it may import."""
    return digest(
        [
            step.name,
            step.params.model_dump(mode="json"),
            _looks.VERSION if step.looks else None,
            naming.plugin_digests() if step.version is None else step.version,
            [_content(Path(file)) for file in step.files],
        ]
    )


def kept(source: Source, what: str) -> Path | None:
    """The file of the measurements of a corpus, `what` they are: of every row, or `LOOKS` of every picture that a row shows."""
    folder = Path(source.folder)
    path = _path(folder, what)
    return path if sealed(path, _key(folder, what)) is not None else None


def keep(folder: Path, what: str, values: npt.NDArray[Any]) -> None:
    """Keep them, where that can be written. Who needs them and does not find them measures again, so that a disk that takes
    them no more is a warning: no stage fails by it."""
    if not os.access(folder, os.W_OK):
        return
    try:
        save_array(_path(folder, what), values, key=_key(folder, what))
    except (OutputFailed, CannotCreate) as fault:
        sys.stderr.write(f"lingshu: what was measured is not kept, and will be measured again: {fault}\n")


def of_rows(values: npt.NDArray[Any], source: Source, left: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Of what was measured of all numbers the part of a corpus of which only some rows are `left`: zeros for others."""
    here = slice(source.first, source.first + source.rows)
    return np.where(left[here].reshape(-1, *[1] * (values.ndim - 1)), values[here], values.dtype.type(0))


def of_pictures(
    values: Looks, places: _rows.Places, number: int, source: Source, left: npt.NDArray[np.bool_]
) -> Looks:
    """Of all pictures those that rows which are `left` of the corpus `number` show, in the order of their places."""
    there = np.zeros_like(left)
    here = slice(source.first, source.first + source.rows)
    there[here] = left[here]
    # Only this corpus's rows are looked at, numbered as they are among all.
    shown = _rows.places_of(number, source, there)
    return values[np.searchsorted(places["key"], shown["key"])]


def _content(file: Path) -> str:
    """sha256 of a file that a step reads. MissingInput (66): it is not there."""
    try:
        seen = file.stat()
        return _hashed(file, seen.st_size, seen.st_mtime_ns)
    except OSError as fault:
        raise MissingInput(f"{file}: {fault.strerror}; a curate step reads it") from None


@lru_cache(maxsize=64)
def _hashed(file: Path, size: int, changed: int) -> str:
    """Once for each state of a file: weights are large, and this is asked of every corpus."""
    return naming.file_digest(file)


def _path(folder: Path, what: str) -> Path:
    return folder / corpus.MEASURED.replace("*", digest([what])[:12])


def _key(folder: Path, what: str) -> str:
    whole = corpus.read_summary(folder).fingerprint
    return digest([lingshu_train.__version__, _looks.VERSION, corpus.identity(folder), whole, what])
