"""Arrays on disk, written as files.py writes texts; apart from it, so that a text needs no numpy."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lingshu_train.runs.files import failure, sync


def save_array(path: Path, values: npt.NDArray[np.generic]) -> None:
    """A .npy file, committed as `write_text` commits a text."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp.npy")
    try:
        np.save(beside, values)
        sync(beside)
        beside.replace(path)
    except OSError as fault:
        beside.unlink(missing_ok=True)
        raise failure(path, fault) from None
