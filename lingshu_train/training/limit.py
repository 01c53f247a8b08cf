"""Which rows are too long for a stage. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lingshu_train.data.corpus.table import PATCHES, PROMPT, WHOLE, Table

_BLOCK = 1 << 20
"""Rows looked at together: what is in memory at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Rows of more than `tokens`, or of more than `patches`, are left out and counted; DataError where they are more than
    the share `most` of a corpus. `completion`: the whole row counts; without, what stands before its last answer alone."""

    tokens: int
    completion: bool
    most: float
    patches: int | None = None

    @property
    def column(self) -> int:
        """Of a table of lengths, what is compared."""
        return WHOLE if self.completion else PROMPT

    def __str__(self) -> str:
        return f"{self.tokens:,} tokens" + (f" or {self.patches:,} patches" if self.patches else "")

    def exceeded(self, table: Table, rows: npt.NDArray[np.integer] | None) -> npt.NDArray[np.bool_]:
        """Which of the `rows` of a corpus are over it; of all of them where none are named."""
        size = len(table) if rows is None else len(rows)
        blocks = [slice(start, min(start + _BLOCK, size)) for start in range(0, size, _BLOCK)]
        parts = [self._over(table[block if rows is None else rows[block]]) for block in blocks]
        return np.concatenate(parts) if parts else np.zeros(0, np.bool_)

    def _over(self, lines: Table) -> npt.NDArray[np.bool_]:
        over: npt.NDArray[np.bool_] = lines[:, self.column] > self.tokens
        return over if self.patches is None else over | (lines[:, PATCHES] > self.patches)
