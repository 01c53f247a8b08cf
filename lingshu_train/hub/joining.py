"""Several files read as the one that they were cut from."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import IO, cast


class _Joined(io.RawIOBase):
    """The bytes of open files, one behind the other; can be sought in, as a zip must be."""

    def __init__(self, files: Sequence[IO[bytes]]) -> None:
        self._files = files
        self._ends = list(accumulate(os.fstat(file.fileno()).st_size for file in files))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._ends[-1]}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer)).cast("B")
        number = bisect_right(self._ends, self._at)
        if number >= len(self._files):
            return 0
        begin = self._ends[number - 1] if number else 0
        self._files[number].seek(self._at - begin)
        piece = self._files[number].read(min(len(view), self._ends[number] - self._at))
        view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


@contextmanager
def joined(parts: Sequence[Path]) -> Iterator[IO[bytes]]:
    """The files as one, in their order. OSError: one cannot be read."""
    with ExitStack() as stack:
        files = [stack.enter_context(one.open("rb")) for one in parts]
        if len(files) == 1:
            yield files[0]
        else:
            yield cast(IO[bytes], stack.enter_context(io.BufferedReader(_Joined(files))))
