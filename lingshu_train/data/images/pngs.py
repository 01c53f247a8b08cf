"""PNG without its metadata: the compressed pixels are kept byte for byte."""

from __future__ import annotations

import struct

START = b"\x89PNG\r\n\x1a\n"
DEPTH_AT = 24
"""Where the bits per channel stand in a file."""
KEPT = (b"IHDR", b"IDAT", b"IEND")
"""All that grey or colour without palette and transparency needs."""


def bare(data: bytes) -> bytes:
    """`data` up to its end, without text, times, profiles and other frames; ValueError where it is cut off."""
    kept, at = [START], len(START)
    while True:
        if at + 12 > len(data):
            raise ValueError("cut off: it has no end chunk")
        (length,) = struct.unpack_from(">I", data, at)
        name, end = data[at + 4 : at + 8], at + 12 + length
        if name in KEPT:
            kept.append(data[at:end])
        if name == b"IEND":
            return b"".join(kept)
        at = end
