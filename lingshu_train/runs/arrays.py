"""Arrays on disk, apart from files.py, so that writing a text needs no numpy. What can be made again is sealed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lingshu_train.runs.files import replacing

_MARK = b"lingshu\0"
_SEAL = len(_MARK) + 2 * hashlib.sha256().digest_size
"""Bytes behind the array: the mark, the hash of the key, and the hash of all before it. Readers of .npy stop before it."""


def save_array(path: Path, values: npt.NDArray[np.generic], *, key: str | None = None) -> None:
    """A .npy file, committed as `write_text` commits a text; sealed where there is a `key`."""
    with replacing(path) as beside:
        np.save(beside, values)
        if key is not None:
            seal(beside, key)


def seal(path: Path, key: str) -> None:
    """Add to a .npy file what its content was made from and is: `key` says everything that determines it."""
    with path.open("r+b") as stream:
        found = hashlib.file_digest(stream, "sha256")
        head = _MARK + hashlib.sha256(key.encode()).digest()
        found.update(head)
        stream.seek(0, 2)
        stream.write(head + found.digest())


def sealed(path: Path, key: str) -> npt.NDArray[Any] | None:
    """The array, memory-mapped; None where it is not there, is damaged, or was made from something else: to be made again."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2) - _SEAL
            stream.seek(max(size, 0))
            tail = stream.read()
            if size <= 0 or not tail.startswith(_MARK + hashlib.sha256(key.encode()).digest()):
                return None
            stream.seek(0)
            found = hashlib.sha256()
            left = size + _SEAL - found.digest_size
            while left and (part := stream.read(min(left, 1 << 20))):
                found.update(part)
                left -= len(part)
        if found.digest() != tail[-found.digest_size :]:
            return None
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r")
    except FileNotFoundError:
        return None
    return array
