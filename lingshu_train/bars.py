"""Progress on stderr: a bar that is redrawn at a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import NoReturn, TextIO, TypeVar

from tqdm import tqdm

T = TypeVar("T")
AT_A_TERMINAL, IN_A_LOG = 0.5, 15.0
"""Seconds between two states."""


class _Lines:
    """A stream on which each state of a bar is a line: a log keeps no place to go back to."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self.encoding = stream, stream.encoding

    def write(self, text: str) -> int:
        line = text.replace("\r", "").rstrip()
        if line:
            self._stream.write(line + "\n")
        return len(text)

    def flush(self) -> None:
        self._stream.flush()


def bar(
    *, title: str, unit: str, total: int | None, done: int = 0, shown: bool = True, scaled: bool = False
) -> tqdm[NoReturn]:
    """A bar that is updated by hand. `done` were there before, `scaled` counts in k and M."""
    terminal = sys.stderr.isatty()
    return tqdm(
        desc=title,
        unit=unit,
        total=total,
        initial=done,
        disable=not shown,
        unit_scale=scaled,
        file=sys.stderr if terminal else _Lines(sys.stderr),
        mininterval=AT_A_TERMINAL if terminal else IN_A_LOG,
        smoothing=0.05,
        dynamic_ncols=terminal,
    )


def over(items: Iterable[T], *, title: str, unit: str, total: int, shown: bool = True) -> Iterator[T]:
    """The items, with a bar that counts those handed out and done."""
    with bar(title=title, unit=unit, total=total, shown=shown) as progress:
        for item in items:
            yield item
            progress.update()
