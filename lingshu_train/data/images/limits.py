"""What a header may claim. Everything here is asked before a pixel is decoded or memory is taken for it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from lingshu_train.errors import DataError

MAX_PIXELS = 64_000_000
"""Above any medical picture short of a whole slide; a header that claims more is a fault or an attack."""
MAX_FRAMES = 1_000_000
"""Tiles of a large slide kept as frames; a clip has thousands."""
MAX_BYTES = 4 * 2**30
"""One volume or array, not compressed: 1024 x 1024 x 2048 voxels of 16 bits."""
DEFLATE_RATIO = 1032
"""The most that zlib can pack into one byte: a file cannot hold more than this."""
PIECE = 2**20
"""Bytes inflated at a time."""
CODEC_RATIO = 20_000
"""Far above what image codecs reach; an empty frame of JPEG 2000 is packed some thousand times."""


def check_size(path: Path, width: int, height: int) -> None:
    """DataError: no pixels, or more of them than MAX_PIXELS."""
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise DataError(
            f"{path}: the header says {width}x{height} pixels; between 1 and {MAX_PIXELS:,} are accepted"
        )


def check_bytes(path: Path, claimed: int, file: BinaryIO, *, ratio: int = 1) -> None:
    """DataError: the pixels that the header claims need more than MAX_BYTES, or cannot be in a file of this length.

    `claimed` in bytes after decoding; `ratio` is what the compression reaches at best.
    """
    if claimed > MAX_BYTES:
        raise DataError(f"{path}: the header says {claimed:,} bytes of pixels; {MAX_BYTES:,} are accepted")
    length = file.seek(0, 2)
    file.seek(0)
    if claimed > length * ratio:
        raise DataError(
            f"{path}: the header says {claimed:,} bytes of pixels, but the file has {length:,} in all; "
            "it is cut off or damaged"
        )


def inflated(path: Path, stream: io.BufferedIOBase, *, limit: int) -> bytes:
    """All that a decompressing stream yields, taken piece by piece: memory follows what is there, not what is claimed.

    DataError: more than `limit` bytes.
    """
    content = io.BytesIO()
    while piece := stream.read(PIECE):
        content.write(piece)
        if content.tell() > limit:
            raise DataError(f"{path}: decompresses to more than the {limit:,} bytes that its header allows")
    return content.getvalue()
