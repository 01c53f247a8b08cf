"""Pictures and labels that are stacked in NumPy files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Picture
from lingshu_train.errors import DataError


def stack(path: Path) -> npt.NDArray[Any]:
    """An array that stays on disk until it is indexed. Pickled content, which would run code, is refused."""
    try:
        found: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (EOFError, OSError, ValueError) as fault:
        raise DataError(f"{path}: cannot be read as a NumPy array: {fault}") from None
    return found


def picture(line: Line, pixels: npt.NDArray[Any], *, name: str) -> Picture:
    """Grey (height, width) or RGB (height, width, 3) values from 0 to 255 as a PNG."""
    whole = np.asarray(pixels)
    if whole.ndim not in (2, 3) or (whole.ndim == 3 and whole.shape[2] != 3):
        raise line.error("pixels", f"must be grey or RGB, got {whole.shape}")
    if whole.dtype != np.uint8:
        if whole.min() < 0 or whole.max() > 255 or (whole != np.rint(whole)).any():
            raise line.error("pixels", "must be whole numbers from 0 to 255")
        whole = whole.astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(whole).save(stream, format="PNG")
    return Picture(name=name, data=stream.getvalue())
