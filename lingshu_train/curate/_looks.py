"""What is measured of a stored picture: once for all steps and for all rows that show it, in one decoding."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from lingshu_train.data.images import hashes as _hashes
from lingshu_train.data.images.hashes import Grey

VERSION = (1, _hashes.VERSION)
"""Raised when something is measured otherwise."""
LOOK = np.dtype(
    [
        ("pixels", "u1", (16,)),
        ("phash", "u8"),
        ("dhash", "u8"),
        ("deviation", "f4"),
        ("black", "f4"),
        ("white", "f4"),
        ("flat", "f4"),
        ("lettered", "f4"),
    ]
)
Looks = npt.NDArray[np.void]
"""Measurements of pictures, dtype LOOK."""
_BLOCK = 8
_RUN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A picture as measured. `index` is its place among all pictures that were measured together.

    `pixels` are 16 bytes of the blake2b of size and decoded pixels; `deviation` is the standard deviation of its thumbnail;
    `black` and `white` are the shares of pixels at either end; `flat` the share of those between that are as their neighbours
    above and to the left; `lettered` the share of 8 x 8 blocks that look like letters in a line.
    """

    index: int
    pixels: bytes
    phash: int
    dhash: int
    deviation: float
    black: float
    white: float
    flat: float
    lettered: float


def look(index: int, measured: np.void) -> Look:
    """One measurement, dtype LOOK, as a record."""
    pixels, phash, dhash, *shares = measured.tolist()
    deviation, black, white, flat, lettered = shares
    return Look(
        index=index,
        pixels=bytes(pixels),
        phash=phash,
        dhash=dhash,
        deviation=deviation,
        black=black,
        white=white,
        flat=flat,
        lettered=lettered,
    )


def measure(picture: Image.Image) -> Looks:
    """One row, dtype LOOK, shape (1,), of a picture, RGB or grey."""
    found = np.zeros(1, LOOK)
    plain = _plain(picture)
    grey = plain.convert("L")
    values = np.asarray(grey)
    found["pixels"] = np.frombuffer(pixels(plain), np.uint8)
    small = _hashes.thumbnail(grey)
    found["phash"], found["dhash"] = _hashes.phash(small), _hashes.dhash(grey)
    found["deviation"] = small.std()
    found["black"], found["white"] = (values <= 1).mean(), (values >= 254).mean()
    found["flat"], found["lettered"] = _flat(values), _lettered(values)
    return found


def pixels(picture: Image.Image) -> bytes:
    """16 bytes that pictures with the same decoded pixels have in common, however they are stored."""
    plain = _plain(picture)
    found = hashlib.blake2b(f"{plain.mode} {plain.width} {plain.height} ".encode(), digest_size=16)
    found.update(plain.tobytes())
    return found.digest()


def _plain(picture: Image.Image) -> Image.Image:
    """Grey in one channel, also where it is stored in three."""
    if picture.mode != "RGB":
        return picture.convert("L")
    red, green, blue = picture.split()
    same = red.tobytes() == green.tobytes() == blue.tobytes()
    return red if same else picture


def _flat(values: Grey) -> float:
    here = values[1:, 1:]
    still = (here == values[:-1, 1:]) & (here == values[1:, :-1])
    between = (here > 8) & (here < 247)
    return float((still & between).mean()) if still.size else 0.0


def _lettered(values: Grey) -> float:
    """Letters are blocks of two grey levels far apart, with strokes that begin and end, side by side along a line."""
    height, width = (side - side % _BLOCK for side in values.shape)
    if not height or not width:
        return 0.0
    blocks = values[:height, :width].reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    low, high = (end(end(blocks, axis=1), axis=2).astype(np.int16) for end in (np.min, np.max))
    hit = (high >= 200) & (high - low >= 120)
    # Only blocks with such a contrast are looked at more closely.
    some, low, high = blocks.transpose(0, 2, 1, 3)[hit].astype(np.int16), low[hit], high[hit]
    ends = np.minimum(some - low[:, None, None], high[:, None, None] - some)
    strokes = (np.abs(np.diff(some, axis=2)) > 60).mean(axis=(1, 2))
    # Letters are drawn with soft edges: within a fifth of the range either end counts.
    two = (ends <= np.maximum(16, (high - low) / 5)[:, None, None]).mean(axis=(1, 2)) >= 0.7
    hit[hit] = (strokes >= 0.12) & (strokes <= 0.7) & two
    # A line of letters, not a spot: three blocks in a row.
    whole = np.zeros_like(hit)
    for start in range(_RUN):
        run = np.ones_like(hit)
        for step in range(_RUN):
            run &= _moved(hit, step - start)
        whole |= run
    return float(whole.mean())


def _moved(hit: npt.NDArray[np.bool_], by: int) -> npt.NDArray[np.bool_]:
    """Whether the block `by` places to the right is one; none beyond the edge."""
    found = np.zeros_like(hit)
    width = hit.shape[1]
    if abs(by) < width:
        found[:, max(-by, 0) : width - max(by, 0)] = hit[:, max(by, 0) : width - max(-by, 0)]
    return found
