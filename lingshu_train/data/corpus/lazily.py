"""The chosen rows of a corpus as a sequence that holds none of them: each is read when it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.record import Sample


class Rows(Sequence[Sample]):
    """Samples by their place among the chosen rows. `places`: some of them, in this order; None: all."""

    def __init__(self, corpus: Corpus, places: Sequence[int] | None = None) -> None:
        self._corpus = corpus
        self._places: Sequence[int] = range(len(corpus)) if places is None else places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Sample: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Sample]: ...
    def __getitem__(self, place: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(place, slice):
            return Rows(self._corpus, self._places[place])
        return self._corpus.sample(self._places[place])
