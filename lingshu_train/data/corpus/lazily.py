"""Samples as a sequence that holds none of them: each is read, or made, when it is looked at."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic, Self, TypeVar, overload

from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.record import Sample

At = TypeVar("At")


class Lazily(Sequence[Sample], Generic[At]):
    """Samples by what says where each is. A slice of it holds as little."""

    def __init__(self, places: Sequence[At]) -> None:
        self._places = places

    @abstractmethod
    def _one(self, at: At) -> Sample:
        """The sample there."""

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Sample: ...
    @overload
    def __getitem__(self, place: slice) -> Self: ...
    def __getitem__(self, place: int | slice) -> Sample | Self:
        if isinstance(place, slice):
            part = copy.copy(self)
            part._places = self._places[place]
            return part
        return self._one(self._places[place])


class Rows(Lazily[int]):
    """The chosen rows of a corpus, by their place among them. `places`: some of them, in this order; None: all."""

    def __init__(self, corpus: Corpus, places: Sequence[int] | None = None) -> None:
        super().__init__(range(len(corpus)) if places is None else places)
        self._corpus = corpus

    def _one(self, at: int) -> Sample:
        return self._corpus.sample(at)
