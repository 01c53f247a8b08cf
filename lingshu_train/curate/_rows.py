"""The rows that a step sees: of the corpus that is curated, and of those that it is compared with, numbered through."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from lingshu_train.curate import _looks
from lingshu_train.curate._candidate import Candidate, Part
from lingshu_train.curate._looks import Look, Looks
from lingshu_train.data.corpus import corpus
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.corpus.records import Location, locations_of, sample_of
from lingshu_train.data.images.hashes import Grey, Ints, thumbnail
from lingshu_train.record import Sample

PLACE = np.dtype([("key", "u8"), ("number", "i8"), ("slot", "i4")])
"""Of a stored picture: where its bytes lie, as one number, and a row that shows it, as which of its pictures."""
Places = npt.NDArray[np.void]
_HELD = 1 << 20
"""Pictures of rows, 20 bytes each, that are held before those are left out that were met before."""
_OFFSET, SHARD = 40, 52
"""Bits of a place's key: bytes of a tar file below, then its number, then that of the corpus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A corpus by its folder, what part it plays, and the number that its first row has here."""

    part: Part
    folder: str
    first: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How comparing is cut into jobs: rows or pictures for each range of `keys`, and `rows` or pictures that a job looks at."""

    keys: int
    rows: int

    def ranges(self, total: int) -> int:
        """Into how many ranges the keys of so many rows are cut."""
        return min(max(-(-total // self.keys), 1), 1 << 16)

    def blocks(self, total: int) -> int:
        """Into how many blocks so many rows are cut."""
        return -(-total // self.rows)

    def jobs(self, shares: int, total: int) -> int:
        """Among how many jobs shares of so many rows or pictures are dealt: few where there are few of these."""
        return shares if self.ranges(total) > 1 else min(shares, max(self.blocks(total), 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows in order: known ones, those of benchmarks, and last the corpus's own, each without what is gone.

    `left` says of every number whether the row is there; `looks` are the pictures' measurements, where they were asked for, in
    the order of `places`; `measured` is what the step measured of every number; `made` are the arrays of the step's phases, by
    name and in the order of their jobs, which `cut` determines. `name` tells the rows of a step from others in one process.
    """

    sources: tuple[Source, ...]
    left: npt.NDArray[np.bool_]
    places: Places | None = None
    looks: Looks | None = None
    measured: npt.NDArray[Any] | None = None
    made: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    cut: Cut = Cut(keys=1 << 62, rows=1 << 62)
    name: str = ""

    def __iter__(self) -> Iterator[Candidate]:
        return self.of("own")

    def __len__(self) -> int:
        return len(self.numbers("own"))

    def of(self, *parts: Part) -> Iterator[Candidate]:
        """The rows of these parts, in order, each once."""
        for number, source in enumerate(self.sources):
            if source.part in parts:
                yield from self._candidates(number, source)

    def numbers(self, *parts: Part) -> Ints:
        """The numbers of the rows of these parts, in order."""
        found = [
            np.flatnonzero(self.left[one.first : one.first + one.rows]) + one.first
            for one in self.sources
            if one.part in parts
        ]
        return np.concatenate(found) if found else np.empty(0, np.int64)

    @property
    def own(self) -> int:
        """How many numbers the own corpus has: those below it."""
        return self.sources[-1].rows

    def places_in_order(self, numbers: Ints) -> Ints:
        """Of each number its place in the order of all: known rows first, the own ones last."""
        found: Ints = (numbers + (len(self.left) - self.own)) % len(self.left)
        return found

    def numbers_in_order(self, places: Ints) -> Ints:
        """The numbers again."""
        found: Ints = (places + self.own) % len(self.left)
        return found

    def keyed(self, column: int, part: int, parts: int) -> Ints:
        """The numbers of known and own rows, in order, whose key in this column is in a range of keys, and not 0."""
        assert self.measured is not None
        found = [np.empty(0, np.int64)]
        for source in self.sources if len(self.left) else ():
            stop = source.first + source.rows
            for start in range(source.first, stop if source.part != "benchmark" else 0, _HELD):
                here = slice(start, min(start + _HELD, stop))
                keys = self.measured[here, column]
                found.append(
                    np.flatnonzero(self.left[here] & (keys != 0) & in_range(keys, part, parts)) + start
                )
        return np.concatenate(found)

    def arrays(self, phase: str) -> Iterator[npt.NDArray[Any]]:
        """What the jobs of a phase have made, memory-mapped."""
        yield from (np.load(path, mmap_mode="r") for path in self.made.get(phase, ()))

    def in_splits(self, splits: Collection[str]) -> npt.NDArray[np.bool_]:
        """Of every own number whether its row is in one of these splits."""
        if not splits:
            return np.zeros(self.own, np.bool_)
        values = opened(self.sources[-1].folder).values("split")
        return np.concatenate([np.isin(part.astype(str), list(splits)) for part in values])

    def shown(self, *parts: Part) -> tuple[Ints, Ints]:
        """Row number and place among the looks of every picture of the rows of these parts, in order; a row shows several."""
        assert self.places is not None
        found = [np.empty((2, 0), np.int64)]
        for place, source in enumerate(self.sources):
            start = source.first
            for column in opened(source.folder).reader.column("images") if source.part in parts else ():
                if self.left[start : start + len(column)].any():
                    each = _places(place, column, start, self.left)
                    at = np.searchsorted(self.places["key"], each["key"])
                    found.append(np.stack((each["number"], at)))
                start += len(column)
        numbers, looks = np.concatenate(found, axis=1)
        return numbers, looks

    def candidate(self, number: int) -> Candidate:
        """One row by its number."""
        place = next(n for n, one in enumerate(self.sources) if one.first <= number < one.first + one.rows)
        record = opened(self.sources[place].folder).reader.record(number - self.sources[place].first)
        return self._candidate(place, number, sample_of(record), locations_of(record))

    def thumbnail(self, index: int) -> Grey:
        """The thumbnail of the picture that was measured at `index`, (32, 32) grey levels."""
        assert self.places is not None
        return thumbnail(self.picture(index).convert("L"))

    def picture(self, index: int) -> Image.Image:
        """The picture that was measured at `index`."""
        assert self.places is not None
        return shown(self.sources, self.places[index])

    def _candidates(self, place: int, source: Source) -> Iterator[Candidate]:
        for start in range(0, source.rows, BLOCK):
            stop = min(start + BLOCK, source.rows)
            left = self.left[source.first + start : source.first + stop]
            if not left.any():
                continue
            for row, (sample, pictures) in enumerate(opened(source.folder).stretch(start, stop)):
                if left[row]:
                    yield self._candidate(place, source.first + start + row, sample, pictures)

    def _candidate(
        self, place: int, number: int, sample: Sample, pictures: tuple[Location, ...]
    ) -> Candidate:
        found = Candidate(number=number, sample=sample, pictures=pictures, part=self.sources[place].part)
        if self.places is None or self.looks is None:
            return found
        return replace(found, looks=looks_of(place, pictures, self.places, self.looks))


def in_range(keys: npt.NDArray[np.uint64], part: int, parts: int) -> npt.NDArray[np.bool_]:
    """Whether the upper halves of keys are in the range of this number, of so many that are equally wide."""
    half = np.uint64(32)
    found: npt.NDArray[np.bool_] = ((keys >> half) * np.uint64(parts)) >> half == np.uint64(part)
    return found


BLOCK = 2_000
"""Rows read together: two of a corpus's Arrow batches."""


def sources(own: Path, *, known: Sequence[Path] = (), benchmarks: Sequence[Path] = ()) -> tuple[Source, ...]:
    """The corpora in the order in which steps see them; the own one comes last and is numbered from 0."""
    opened.cache_clear()  # What lies in a folder now may be another corpus than before.
    wanted: list[tuple[Part, Path]] = [("known", each) for each in known]
    wanted += [("benchmark", each) for each in benchmarks]
    first, found = opened(str(own)).total, []
    for part, folder in wanted:
        rows = opened(str(folder)).total
        found.append(Source(part=part, folder=str(folder), first=first, rows=rows))
        first += rows
    return (*found, Source(part="own", folder=str(own), first=0, rows=opened(str(own)).total))


def left(found: Sequence[Source]) -> npt.NDArray[np.bool_]:
    """Of every number whether its row is there before anything is decided: those that a corpus has left."""
    there = np.zeros(sum(one.rows for one in found), np.bool_)
    for one in found:
        chosen = opened(one.folder).chosen
        there[one.first : one.first + one.rows] = chosen is None
        if chosen is not None:
            there[one.first + chosen.astype(np.int64)] = True
    return there


def places(found: Sequence[Source], there: npt.NDArray[np.bool_]) -> Places:
    """Every stored picture that a row shows which is there, once, in the order in which their bytes lie."""
    return np.concatenate(
        [np.empty(0, PLACE), *(places_of(number, source, there) for number, source in enumerate(found))]
    )


def places_of(number: int, source: Source, there: npt.NDArray[np.bool_]) -> Places:
    """The same of one corpus, the one numbered `number` of several."""
    parts, start, held = [np.empty(0, PLACE)], source.first, _HELD
    for column in opened(source.folder).reader.column("images"):
        parts.append(_places(number, column, start, there))
        start += len(column)
        # Now and then, so that what is held are pictures and not the rows that show them.
        if sum(map(len, parts)) > held:
            parts = [_once(parts)]
            held = 2 * len(parts[0]) + _HELD
    return _once(parts)


def _once(parts: Sequence[Places]) -> Places:
    """Each picture once, with the first row that shows it."""
    every = np.concatenate(parts)
    _, first = np.unique(every["key"], return_index=True)
    return every[first]


def _places(place: int, column: pa.Array, start: int, there: npt.NDArray[np.bool_]) -> Places:
    flat, counts = pc.list_flatten(column), pc.list_value_length(column).to_numpy(zero_copy_only=False)
    counts = np.nan_to_num(counts).astype(np.int64)
    keys = _keys(
        place, *(pc.struct_field(flat, name).to_numpy(zero_copy_only=False) for name in ("shard", "offset"))
    )
    made = np.empty(len(keys), PLACE)
    made["key"] = keys
    made["number"] = np.repeat(np.arange(start, start + len(column)), counts)
    made["slot"] = np.arange(len(keys)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept: Places = made[there[made["number"]]]
    return kept


def _keys(place: int, shards: Ints, offsets: Ints) -> npt.NDArray[np.uint64]:
    return (
        (np.uint64(place) << np.uint64(SHARD))
        | (shards.astype(np.uint64) << np.uint64(_OFFSET))
        | offsets.astype(np.uint64)
    )


def looks_of(place: int, pictures: Sequence[Location], known: Places, measured: Looks) -> tuple[Look, ...]:
    """The measurements of a row's pictures, which lie in the corpus numbered `place`."""
    if not pictures:
        return ()
    shards = np.array([one.shard for one in pictures])
    offsets = np.array([one.offset for one in pictures])
    at = np.searchsorted(known["key"], _keys(place, shards, offsets))
    return tuple(_looks.look(int(index), measured[index]) for index in at)


def shown(found: Sequence[Source], place: np.void) -> Image.Image:
    """The picture at a place, decoded, its bytes checked. DataError (65) where they are damaged."""
    number, slot = int(place["number"]), int(place["slot"])
    source = next(one for one in found if one.first <= number < one.first + one.rows)
    record = opened(source.folder).reader.record(number - source.first)
    return opened(source.folder).open(locations_of(record)[slot], owner=f"sample {record['id']}")


@lru_cache(maxsize=64)
def opened(folder: str) -> Corpus:
    """A corpus, once a process: readers are shared, and hold no more than the files they have open."""
    return corpus.load(Path(folder))
