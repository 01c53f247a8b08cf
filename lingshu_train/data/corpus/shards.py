"""The files of a prepared corpus: samples as Arrow rows, pictures once each in uncompressed tar files.

Arrow IPC (Feather 2) and tar are read by pyarrow, pandas, `datasets` and webdataset as they stand. Each row carries the
location of its pictures, so that reading one is a single `pread` and no index is kept in memory.
"""

from __future__ import annotations

import io
import os
import tarfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa

from lingshu_train.record import Sample
from lingshu_train.runs.files import sync

_TEXT = (
    "id",
    "card",
    "split",
    "task",
    "question",
    "question_type",
    "answer",
    "reasoning",
    "group",
    "modality",
)
_PAIR = pa.struct([("letter", pa.string()), ("text", pa.string())])
_TURN = pa.struct([("question", pa.string()), ("answer", pa.string())])
_LOCATION = pa.struct(
    [
        ("digest", pa.string()),
        ("shard", pa.int32()),
        ("offset", pa.int64()),
        ("size", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _TEXT),
        ("tol", pa.float64()),
        ("options", pa.list_(_PAIR)),
        ("aliases", pa.list_(pa.string())),
        ("turns", pa.list_(_TURN)),
        ("images", pa.list_(_LOCATION)),
    ]
)
BATCH = 1_000
"""Rows to an Arrow record batch: what one random read has to look at."""
_HEADER = tarfile.BLOCKSIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a picture's bytes lie: `size` bytes at `offset` of tar file `shard`. `digest` is their sha256.

    `width` and `height` are in pixels, as stored.
    """

    digest: str
    shard: int
    offset: int
    size: int
    width: int
    height: int


_LOCATION_FIELDS = tuple(field.name for field in fields(Location))


def rows_name(shard: int) -> str:
    return f"rows-{shard:05d}.arrow"


def images_name(shard: int) -> str:
    return f"images-{shard:05d}.tar"


class Tar:
    """One tar file being written. The bytes depend on the pictures alone: no times, no owners."""

    def __init__(self, path: Path, shard: int) -> None:
        self._shard = shard
        self._stream = path.open("wb")
        self._tar = tarfile.TarFile(fileobj=self._stream, mode="w", format=tarfile.USTAR_FORMAT)

    @property
    def size(self) -> int:
        return self._stream.tell()

    def add(self, name: str, data: bytes, *, digest: str, size: tuple[int, int]) -> Location:
        """Append one picture. `size` is (width, height)."""
        offset = self._stream.tell() + _HEADER
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self._tar.addfile(member, io.BytesIO(data))
        width, height = size
        return Location(
            digest=digest, shard=self._shard, offset=offset, size=len(data), width=width, height=height
        )

    def close(self) -> None:
        """Finish the file and force it to disk."""
        self._tar.close()
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()

    def abandon(self) -> None:
        self._stream.close()


def write_rows(path: Path, rows: Sequence[tuple[Sample, Sequence[Location]]]) -> None:
    """All rows of one shard, forced to disk."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
        for start in range(0, len(rows), BATCH):
            part = [_record(sample, locations) for sample, locations in rows[start : start + BATCH]]
            writer.write_batch(pa.RecordBatch.from_pylist(part, schema=SCHEMA))
    sync(path)


def _record(sample: Sample, locations: Sequence[Location]) -> dict[str, Any]:
    return {
        **{name: getattr(sample, name) for name in _TEXT},
        "tol": sample.tol,
        "options": [{"letter": letter, "text": text} for letter, text in sample.options.items()],
        "aliases": list(sample.aliases),
        "turns": [{"question": question, "answer": answer} for question, answer in sample.turns],
        "images": [{name: getattr(location, name) for name in _LOCATION_FIELDS} for location in locations],
    }


def sample_of(record: dict[str, Any]) -> Sample:
    """The sample of an Arrow row; its images are their digests."""
    return Sample(
        **{name: record[name] for name in _TEXT},
        tol=record["tol"],
        options={pair["letter"]: pair["text"] for pair in record["options"]},
        aliases=tuple(record["aliases"]),
        turns=tuple((turn["question"], turn["answer"]) for turn in record["turns"]),
        images=tuple(location["digest"] for location in record["images"]),
    )


def locations_of(record: dict[str, Any]) -> tuple[Location, ...]:
    return tuple(Location(**location) for location in record["images"])


class ShardReader:
    """The rows and pictures of a corpus, opened shard by shard when first needed.

    Rows are memory-mapped: what stays in memory does not grow with the corpus.
    """

    def __init__(self, folder: Path, counts: Sequence[int]) -> None:
        self._folder = folder
        self._starts = list(accumulate(counts, initial=0))
        self._rows: dict[int, pa.ipc.RecordBatchFileReader] = {}
        self._pictures: dict[int, int] = {}

    def __len__(self) -> int:
        return self._starts[-1]

    def record(self, row: int) -> dict[str, Any]:
        """One Arrow row as plain data. `row` counts from 0 over all shards."""
        shard = bisect_right(self._starts, row) - 1
        batch, offset = divmod(row - self._starts[shard], BATCH)
        found: dict[str, Any] = self._open(shard).get_batch(batch).slice(offset, 1).to_pylist()[0]
        return found

    def records(self, start: int, stop: int) -> Iterator[dict[str, Any]]:
        """Rows `start` to `stop` as plain data: cheaper than one by one."""
        row = start
        while row < stop:
            shard = bisect_right(self._starts, row) - 1
            batch, offset = divmod(row - self._starts[shard], BATCH)
            part = self._open(shard).get_batch(batch).slice(offset, stop - row)
            yield from part.to_pylist()
            row += part.num_rows

    def column(self, name: str) -> Iterator[pa.Array]:
        """A column, batch by batch, in row order."""
        for shard in range(len(self._starts) - 1):
            rows = self._open(shard)
            for batch in range(rows.num_record_batches):
                yield rows.get_batch(batch).column(name)

    def read(self, location: Location) -> bytes:
        """The stored file of a picture. Safe in forked loader workers: `pread` shares no position."""
        if location.shard not in self._pictures:
            self._pictures[location.shard] = os.open(self._folder / images_name(location.shard), os.O_RDONLY)
        return os.pread(self._pictures[location.shard], location.size, location.offset)

    def _open(self, shard: int) -> pa.ipc.RecordBatchFileReader:
        if shard not in self._rows:
            self._rows[shard] = pa.ipc.open_file(pa.memory_map(str(self._folder / rows_name(shard))))
        return self._rows[shard]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_rows": {}, "_pictures": {}}

    def __del__(self) -> None:
        for descriptor in self._pictures.values():
            os.close(descriptor)
