"""Which rows of a run's corpora are withdrawn: they keep their place in every order, and yield nothing.

Rows are told by their number, which says nothing of whose they are, and stays when their content is erased.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from lingshu_train.schema import Name, Strict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

NAME = "withdrawn.json"
"""Below a run that `lingshu forget` has begun: what it goes without."""
MARK = "(withdrawn)"
"""What stands for the id of such a row, in a ledger's digest of samples too."""
COLUMN = "withdrawn"
"""Of a ledger line, at such steps alone: how many of the step's rows yield nothing."""
_PART = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?")


def _ascending(text: str) -> str:
    last = -1
    for part in text.split(","):
        found = _PART.fullmatch(part)
        first = int(found[1]) if found else -1
        if not found or first <= last or int(found[2] or first) < first:
            raise PydanticCustomError("rows", "must be ascending row numbers such as 3,17,20-31")
        last = int(found[2] or first)
    return text


class Gone(Strict):
    """The withdrawn rows of one corpus: numbers of the whole corpus with this fingerprint."""

    fingerprint: str
    rows: Annotated[str, AfterValidator(_ascending)]
    """Ascending, stretches from the first to the last. For example `3,17,20-31`."""

    @property
    def numbers(self) -> Ints:
        """Each of them, ascending."""
        return _numbers(self.rows)

    @property
    def last(self) -> int:
        """The greatest of them."""
        return _stretches(self.rows)[-1][1]

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in _stretches(self.rows))


class Withdrawn(Strict):
    """The file that a recipe's key `withdrawn` names; `lingshu forget` writes one."""

    version: Literal[1] = 1
    corpora: dict[Name, Gone] = Field(min_length=1)
    """The stages whose corpora hold such rows."""
    untouched: tuple[str, ...] = ()
    """Stages by the hash that names them, which read these corpora and were found never to come to such a row: they keep
    their name."""

    def of(self, parents: Iterable[str], content: str) -> dict[str, Gone]:
        """What a stage has to pass over that reads `parents` and is named by `content` where it passes over nothing."""
        if content in self.untouched:
            return {}
        return {name: self.corpora[name] for name in parents if name in self.corpora}


def said(withdrawn: Mapping[str, Gone]) -> str:
    """Of a stage or a recipe, in words; empty where nothing is withdrawn."""
    return ", ".join(f"{len(one):,} rows of {name}" for name, one in withdrawn.items())


def written(rows: Iterable[int]) -> str:
    """Ascending numbers as a document has them."""
    parts: list[list[int]] = []
    for row in rows:
        if parts and parts[-1][1] == row - 1:
            parts[-1][1] = row
        else:
            parts.append([row, row])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


@lru_cache(maxsize=8)
def _numbers(text: str) -> Ints:
    import numpy as np

    every = [np.arange(first, last + 1, dtype=np.int64) for first, last in _stretches(text)]
    numbers = np.concatenate([np.empty(0, np.int64), *every])
    numbers.flags.writeable = False
    return numbers


def _stretches(text: str) -> list[tuple[int, int]]:
    """The first and the last row of each part of a text that was checked."""
    parts = [found for part in text.split(",") if (found := _PART.fullmatch(part))]
    return [(int(part[1]), int(part[2] or part[1])) for part in parts]
