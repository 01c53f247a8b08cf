"""A prepared corpus as training and evaluation read it: rows by number, pictures by the row that needs them."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from lingshu_train import vocabulary
from lingshu_train.data.corpus.journal import Index
from lingshu_train.data.corpus.records import Location, Record, locations_of, sample_of
from lingshu_train.data.corpus.shards import ShardReader
from lingshu_train.data.corpus.summary import SUMMARY, Summary
from lingshu_train.data.images.opening import named
from lingshu_train.documents import read_json, there
from lingshu_train.errors import DataError, MissingInput, RecipeError
from lingshu_train.naming import digest
from lingshu_train.record import ANSWER_TYPES, Sample
from lingshu_train.runs.arrays import save_array, sealed
from lingshu_train.schema import parse

RowNumbers = npt.NDArray[np.uint32]
KEPT = "kept.npy"
"""Of a curated corpus, the numbers of the rows that curation left, in ascending order."""
MEASURED = "measured-*.npy"
"""Beside a corpus: what curation has measured of its rows and pictures (`curate/_index.py`)."""

_END = 65_536
"""Bytes at the end of an Arrow file, which hold its table of batches."""


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """A corpus or a selection of its rows. `fingerprint` is that of the whole corpus.

    `chosen` holds row numbers of the whole corpus in ascending order; None stands for all of them.
    """

    folder: Path
    fingerprint: str
    reader: ShardReader
    chosen: RowNumbers | None = None
    _index: Index = field(repr=False)

    def __len__(self) -> int:
        return len(self.reader) if self.chosen is None else len(self.chosen)

    @property
    def total(self) -> int:
        """Rows of the whole corpus, chosen or not."""
        return len(self.reader)

    def row(self, n: int) -> int:
        """Row number in the whole corpus of the n-th chosen row."""
        return n if self.chosen is None else int(self.chosen[n])

    def sample(self, n: int) -> Sample:
        return sample_of(self._record(n))

    def pictures(self, n: int) -> tuple[Image.Image, ...]:
        """The images of the n-th chosen row, RGB or grey (L) as stored, each checked against its digest.

        DataError names the sample.
        """
        record = self._record(n)
        return tuple(self._picture(location, f"sample {record['id']}") for location in locations_of(record))

    def stretch(self, start: int, stop: int) -> Iterator[tuple[Sample, tuple[Location, ...]]]:
        """RowNumbers `start` to `stop` of the whole corpus, chosen or not, with the locations of their pictures."""
        for record in self.reader.records(start, stop):
            yield sample_of(record), locations_of(record)

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """All chosen samples at once: for evaluation sets, not for training mixtures."""
        return tuple(self.sample(n) for n in range(len(self)))

    def image(self, digest: str) -> Image.Image:
        """A picture by its digest, through the index on disk."""
        return self._picture(self._find(digest), f"image {digest[:12]}")

    def open(self, location: Location, *, owner: str) -> Image.Image:
        """The picture that a row has at a location, checked against its digest. DataError names the `owner`."""
        return self._picture(location, owner)

    def encoded(self, location: Location, *, owner: str) -> bytes:
        """The file of that picture as it is stored, checked against its digest. DataError names the `owner`."""
        return self._bytes(location, owner)

    def values(self, name: str) -> Iterator[npt.NDArray[np.object_]]:
        """A text column of the whole corpus, batch by batch."""
        for part in self.reader.column(name):
            yield part.to_numpy(zero_copy_only=False)

    def _record(self, n: int) -> Record:
        row = self.row(n)
        try:
            return self.reader.record(row)
        except (OSError, pa.ArrowInvalid) as fault:
            raise DataError(
                f"{self.folder}: row {row} cannot be read ({_line(fault)}); {again(self.folder)}"
            ) from None

    def _find(self, digest: str) -> Location:
        try:
            found = self._index.find(digest)
        except DataError as fault:
            raise DataError(f"{fault}; {again(self.folder)}") from None
        if found is None:
            raise DataError(f"{self.folder}: no image {digest}; {again(self.folder)}")
        return found

    def _bytes(self, location: Location, owner: str) -> bytes:
        try:
            data = self.reader.read(location)
        except OSError as fault:
            raise DataError(f"{owner}: {fault.filename}: {fault.strerror}; {again(self.folder)}") from None
        if hashlib.sha256(data).hexdigest() != location.digest:
            raise DataError(
                f"{owner}: image {location.digest[:12]} in {self.folder} is damaged (its sha256 differs); {again(self.folder)}"
            )
        return data

    def _picture(self, location: Location, owner: str) -> Image.Image:
        with Image.open(io.BytesIO(self._bytes(location, owner))) as image:
            image.load()
            return image if image.mode in ("L", "RGB") else image.convert("RGB")


def load(
    folder: Path, *, split: str | None = None, tasks: tuple[str, ...] = (), **among: tuple[str, ...]
) -> Corpus:
    """The rows of a split and of some tasks (empty: all), in the order they were written; of a curated corpus those left.

    `among` maps further columns (card, question_type, modality) to the values that are kept. RecipeError lists what there
    is for a value that never occurs.
    """
    summary = read_summary(folder)
    wanted = {"split": (split,) if split is not None else (), "task": tasks, **among}
    wanted = {name: values for name, values in wanted.items() if values}
    _check(folder, summary, wanted)
    reader = ShardReader(folder, summary.shards)
    try:
        chosen = _kept(folder, reader, wanted) if wanted else None
        if (folder / KEPT).is_file():
            left = _numbers(folder / KEPT)
            chosen = left if chosen is None else np.intersect1d(chosen, left, assume_unique=True)
    except (OSError, pa.ArrowInvalid) as fault:
        raise DataError(f"{folder}: rows cannot be read ({_line(fault)}); {again(folder)}") from None
    return Corpus(
        folder=folder, fingerprint=summary.fingerprint, reader=reader, chosen=chosen, _index=Index(folder)
    )


def stored(folder: Path, digest: str) -> bytes | None:
    """The encoded file of a picture, None where the folder holds no corpus, or not this picture."""
    location = Index(folder).find(digest)
    return ShardReader(folder, ()).read(location) if location else None


def again(folder: Path) -> str:
    """How to come by a corpus anew. What is there is moved, not deleted: the person may still need some of it."""
    if (folder.parent / "stage.json").is_file():
        return "`lingshu verify` names the stages that are damaged; move their folders away and run the recipe again"
    return "move its folder away and prepare the corpus again"


def read_summary(folder: Path) -> Summary:
    """corpus.json. MissingInput where no finished corpus lies."""
    path = folder / SUMMARY
    if not there(path):
        raise MissingInput(
            f"{folder}: no corpus here ({SUMMARY} is missing); a stage of kind prepare writes one"
        )
    try:
        found = read_json(path)
    except DataError as fault:
        raise DataError(f"{fault}; {again(folder)}") from None
    if isinstance(found, dict) and "answers" not in found:
        raise DataError(f"{path}: was made before all answers of a dialogue were taught; {again(folder)}")
    summary = parse(Summary, found, where=f"{path}:", error=DataError)
    for word in summary.modalities:
        # A corpus of an older version: filters and balance would take a part of what they name.
        if vocabulary.modality(word) != word:
            raise DataError(
                f"{path}: modalities: {word!r} is spelt {vocabulary.modality(word)!r} here; {again(folder)}"
            )
    return summary


def _check(folder: Path, summary: Summary, wanted: Mapping[str, tuple[str | None, ...]]) -> None:
    known: dict[str, Mapping[str, object]] = {
        "split": summary.splits,
        "task": summary.tasks,
        "card": summary.cards,
        "question_type": summary.question_types,
        "modality": summary.modalities,
    }
    for name, values in wanted.items():
        # A type that answers can have is no slip of the pen, though this corpus may hold none of it.
        some = name == "question_type" and bool(set(values) & set(known[name]))
        for value in values:
            if value not in known[name] and not (some and value in ANSWER_TYPES):
                there = ", ".join(sorted(known[name]))
                raise RecipeError(f"{name}: unknown {name} {value!r}; {folder} has: {there}")


def identity(folder: Path) -> str:
    """Hash of what the rows of a corpus are, for what is made from them and kept beside them: how many lie in which batch of
    which file, and where. Takes no time; whether the rows are those of the manifest is checked when a stage starts.
    A corpus of which rows were erased keeps what it had before: what is stored beside it counts places, which are the same."""
    if there(folder / SUMMARY) and (before := read_summary(folder).identity):
        return before
    ends = []
    for path in sorted(folder.glob("rows-*.arrow")):
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(size - _END, 0))
            ends.append([path.name, size, hashlib.sha256(stream.read()).hexdigest()])
    return digest(ends)


def _kept(folder: Path, reader: ShardReader, wanted: Mapping[str, tuple[str | None, ...]]) -> RowNumbers:
    """The chosen rows, memory-mapped: found once for a filter and kept beside the corpus, where that can be written; found
    again where what is kept is damaged or of other rows."""
    path = folder / f"chosen-{digest(wanted)[:12]}.npy"
    key = digest([identity(folder), wanted])
    found: RowNumbers | None = sealed(path, key)
    if found is not None:
        return found
    chosen = _chosen(reader, wanted)
    if not os.access(folder, os.W_OK):
        return chosen
    save_array(path, chosen, key=key)
    found = sealed(path, key)
    return chosen if found is None else found


def _numbers(path: Path) -> RowNumbers:
    with named(path, kind="row numbers"):
        found: RowNumbers = np.load(path, mmap_mode="r")
    return found


def _chosen(reader: ShardReader, wanted: Mapping[str, tuple[str | None, ...]]) -> RowNumbers:
    """Numbers of the rows that fit every filter, four bytes a row."""
    masks: dict[str, list[npt.NDArray[np.bool_]]] = {name: [] for name in wanted}
    for name, values in wanted.items():
        among = pa.array(values, type=pa.string())
        for part in reader.column(name):
            masks[name].append(pc.is_in(part, value_set=among).to_numpy(zero_copy_only=False))
    fit = np.logical_and.reduce([np.concatenate(parts) for parts in masks.values() if parts])
    return np.flatnonzero(fit).astype(np.uint32)


def _line(fault: Exception) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0]
