"""The pictures of a split, each looked at once: does it decode, and is the same file in another split?"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from lingshu_train.data import images
from lingshu_train.data.cards.card import Card
from lingshu_train.data.checks.seen import Occurrence, Seen
from lingshu_train.data.rows.row import Picture
from lingshu_train.errors import DataError, MissingInput

BATCH = 32
"""Pictures read at once; what they hold in memory is bounded by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One picture. `twin`: where a file of the same bytes was met first, in another split or card.

    `again`: it was told of before, and is now decoded as one of the sample.
    """

    name: str
    where: str
    fault: str = ""
    decoded: bool = False
    twin: Occurrence | None = None
    again: bool = False


@dataclass(slots=True)
class Pictures:
    """Takes the pictures of one split. `sample` None decodes each, a number so many, chosen by their sha256."""

    seen: Seen
    card: Card
    split: str
    sample: int | None
    waiting: list[tuple[Picture, str]] = field(default_factory=list)
    chosen: list[tuple[int, int, Picture, str]] = field(default_factory=list)
    order: Iterator[int] = field(default_factory=itertools.count)

    def take(self, pictures: Sequence[Picture], where: str) -> Iterator[Examined]:
        """Take the pictures of a row at `where`; yields those that have been examined by now."""
        for picture in pictures:
            here = Occurrence(card=self.card.name, split=self.split, where=where)
            file = picture.path or hashlib.sha256(picture.data).hexdigest()
            key = f"{self.card.name} {self.split} {file} {picture.excerpt}"
            if not self.seen.add("file", key, here):
                self.waiting.append((picture, where))
        if len(self.waiting) >= BATCH:
            yield from self._examine()

    def rest(self) -> Iterator[Examined]:
        """Those still waiting, and the sample."""
        yield from self._examine()
        chosen = [(picture, where) for _, _, picture, where in self.chosen]
        for start in range(0, len(chosen), BATCH):
            batch = chosen[start : start + BATCH]
            for (picture, where), (_, fault) in zip(batch, _each(batch, decode=True), strict=True):
                yield Examined(name=picture.name, where=where, fault=fault, decoded=not fault, again=True)

    def _examine(self) -> Iterator[Examined]:
        batch, self.waiting = self.waiting, []
        for (picture, where), (digest, fault) in zip(
            batch, _each(batch, decode=self.sample is None), strict=True
        ):
            here = Occurrence(card=self.card.name, split=self.split, where=where)
            first = None if fault else self.seen.add("picture", digest, here)
            apart = first and (first.card, first.split) != (here.card, here.split)
            yield Examined(
                name=picture.name,
                where=where,
                fault=fault,
                decoded=self.sample is None and not fault,
                twin=first if apart else None,
            )
            if not fault and self.sample:
                self._choose(digest, picture, where)

    def _choose(self, digest: str, picture: Picture, where: str) -> None:
        """Keep the `sample` pictures with the smallest digests: any pictures, and the same ones each time."""
        entry = (-int(digest, 16), next(self.order), picture, where)
        if len(self.chosen) < (self.sample or 0):
            heapq.heappush(self.chosen, entry)
        else:
            heapq.heappushpop(self.chosen, entry)


def _each(batch: Iterable[tuple[Picture, str]], *, decode: bool) -> Iterator[tuple[str, str]]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda one: _look(one[0], decode=decode), batch)


def _look(picture: Picture, *, decode: bool) -> tuple[str, str]:
    """The sha256 of the file's bytes, and why it cannot be read."""
    try:
        digest = picture.digest()
        if decode:
            images.read(picture.path or Path(picture.name), data=picture.data, excerpt=picture.excerpt)
    except (DataError, MissingInput) as fault:
        return "", str(fault)
    return digest, ""
