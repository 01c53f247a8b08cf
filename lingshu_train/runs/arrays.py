"""Arrays on disk, apart from files.py, so that writing a text needs no numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from lingshu_train.runs.files import replacing


def save_array(path: Path, values: npt.NDArray[np.generic]) -> None:
    """A .npy file, committed as `write_text` commits a text."""
    with replacing(path) as beside:
        np.save(beside, values)
