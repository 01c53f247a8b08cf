"""A fault of one rank, raised by all: whoever raises alone leaves the others waiting in the next collective."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lingshu_train import dist
from lingshu_train.errors import LingshuError


def end(fault: LingshuError | None) -> None:
    """Raise what kept this rank, or else what kept the first rank that was kept, in its kind and words. Collective."""
    found = [one for one in dist.gather(None if fault is None else (type(fault), str(fault))) if one]
    if fault is not None:
        raise fault
    if found:
        kind, why = found[0]
        raise kind(why)


@contextmanager
def ending() -> Iterator[None]:
    """For what a rank does alone: a fault of one rank leaves the block on all. Collective at its end."""
    fault: LingshuError | None = None
    try:
        yield
    except LingshuError as raised:
        fault = raised
    end(fault)
