"""JPEG without its metadata: the compressed picture is kept byte for byte, so that its pixels cannot change."""

from __future__ import annotations

import re
import struct

SOI, EOI, SOS, APP0, APP14, APP15, COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xEE, 0xEF, 0xFE
JFIF = b"JFIF\0"
ADOBE = b"Adobe"
END_OF_SCAN = re.compile(rb"\xff+(?=[^\x00\xd0-\xd7\xff])")
"""The next marker behind compressed data, in which FF is followed by 00 or a restart marker."""


def bare(data: bytes) -> bytes:
    """`data` up to its end marker, without comments and application segments; ValueError where it is cut off.

    Two segments tell a decoder what the channels mean and are kept without what else they can hold: JFIF without its
    thumbnail, Adobe without what comes after its transform flag. What follows the end marker (other pictures, in a
    multi-picture file) is left out.
    """
    if data[:2] != bytes((0xFF, SOI)):
        raise ValueError("no JPEG begins here")
    kept, at = [data[:2]], 2
    while True:
        at = _skip_fill(data, at)
        marker = data[at + 1]
        if marker == EOI:
            return b"".join([*kept, data[at : at + 2]])
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + length
        if marker == SOS:
            found = END_OF_SCAN.search(data, end)
            if found is None:
                raise ValueError("cut off: it has no end marker")
            end = found.start()
        kept.append(_segment(data[at:end], marker))
        at = end


def _skip_fill(data: bytes, at: int) -> int:
    """Where the next marker is: any number of FF may stand before it."""
    if at + 2 > len(data) or data[at] != 0xFF:
        raise ValueError("cut off or damaged between its segments")
    while data[at + 1 : at + 2] == b"\xff":
        at += 1
    if at + 2 > len(data):
        raise ValueError("cut off: it has no end marker")
    return at


def _segment(whole: bytes, marker: int) -> bytes:
    """What is kept of a segment, marker and length included."""
    if marker == APP0 and whole[4:9] == JFIF and len(whole) >= 18:
        return b"\xff\xe0\x00\x10" + whole[4:16] + b"\0\0"
    if marker == APP14 and whole[4:9] == ADOBE and len(whole) >= 16:
        return b"\xff\xee\x00\x0e" + whole[4:16]
    return b"" if APP0 <= marker <= APP15 or marker == COM else whole
