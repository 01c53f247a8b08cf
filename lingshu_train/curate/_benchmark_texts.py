"""Texts that a benchmark asks too, of rows without pictures: question by question, by all words and by runs of words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lingshu_train.curate import _words
from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._leak import Hit
from lingshu_train.curate._words import Keys


class Texts:
    """What the benchmarks ask: first `add` each row, then `close`, then ask of others. Four and eight bytes a run of words."""

    def __init__(self, *, size: int, least: float, most_common: int) -> None:
        self._size, self._least, self._most = size, least, most_common
        self._same: dict[str, int] = {}
        self._numbers: list[int] = []
        self._counts: list[int] = []
        self._runs: list[Keys] = []
        self._keys: Keys = np.empty(0, np.uint64)
        self._owners = np.empty(0, np.int32)

    def add(self, row: Candidate) -> None:
        if row.pictures:
            return
        asked = _words.asked(row.sample)
        self._same.setdefault(asked, row.number)
        runs = np.unique(_words.grams(asked.split(), self._size))
        if len(runs):
            self._numbers.append(row.number)
            self._runs.append(runs)

    def close(self) -> None:
        """No more rows are added."""
        lengths = [len(runs) for runs in self._runs]
        keys = np.concatenate(self._runs) if self._runs else np.empty(0, np.uint64)
        owners = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        _, at, counts = np.unique(keys, return_inverse=True, return_counts=True)
        own = counts[at] <= self._most if len(keys) else np.empty(0, np.bool_)
        self._keys, self._owners = keys[own], owners[own]
        order = np.argsort(self._keys, kind="stable")
        self._keys, self._owners = self._keys[order], self._owners[order]
        self._counts = np.bincount(self._owners, minlength=len(lengths)).tolist()
        self._runs = []

    def found(self, row: Candidate) -> Iterator[Hit]:
        """What the row has of them."""
        if row.pictures:
            return
        asked = _words.asked(row.sample)
        if asked in self._same:
            yield Hit("same", "the question", self._same[asked])
            return
        runs = np.unique(_words.grams(_words.of_row(row.sample), self._size))
        first = np.searchsorted(self._keys, runs, "left")
        last = np.searchsorted(self._keys, runs, "right")
        met = [self._owners[a:b] for a, b in zip(first.tolist(), last.tolist(), strict=True) if a < b]
        if not met:
            return
        owners, counts = np.unique(np.concatenate(met), return_counts=True)
        for owner, count in zip(owners.tolist(), counts.tolist(), strict=True):
            if count >= self._least * self._counts[owner]:
                yield Hit("near", "runs of words", self._numbers[owner])
                return
