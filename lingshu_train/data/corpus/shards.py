"""The files of a prepared corpus: samples as Arrow rows, pictures once each in uncompressed tar files.

Arrow IPC (Feather 2) and tar are read by pyarrow, pandas, `datasets` and webdataset as they stand. Each row carries the
location of its pictures, so that reading one is a single `pread` and no index is kept in memory.
"""

from __future__ import annotations

import io
import os
import tarfile
import weakref
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import pyarrow as pa

from lingshu_train.data.corpus.records import SCHEMA, TAGGED, Location, Record, record
from lingshu_train.record import Sample
from lingshu_train.runs.files import sync

BATCH = 1_000
"""Rows to an Arrow record batch: what one random read has to look at."""
_HEADER = tarfile.BLOCKSIZE
"""Before each picture: names are short enough for a header of one block."""


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
    columns = TAGGED if any(sample.tags for sample, _ in rows) else SCHEMA
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, columns) as writer:
        for start in range(0, len(rows), BATCH):
            part = [record(sample, locations) for sample, locations in rows[start : start + BATCH]]
            writer.write_batch(pa.RecordBatch.from_pylist(part, schema=columns))
    sync(path)


class ShardReader:
    """The rows and pictures of a corpus, opened shard by shard when first needed.

    Rows are memory-mapped: what stays in memory does not grow with the corpus.
    """

    def __init__(self, folder: Path, counts: Sequence[int]) -> None:
        self._folder = folder
        self._starts = list(accumulate(counts, initial=0))
        self._begin()

    def __len__(self) -> int:
        return self._starts[-1]

    def record(self, row: int) -> Record:
        """One Arrow row as plain data. `row` counts from 0 over all shards."""
        shard = bisect_right(self._starts, row) - 1
        batch, offset = divmod(row - self._starts[shard], BATCH)
        found: Record = self._open(shard).get_batch(batch).slice(offset, 1).to_pylist()[0]
        return found

    def records(self, start: int, stop: int) -> Iterator[Record]:
        """Rows `start` to `stop` as plain data: cheaper than one by one."""
        row = start
        while row < stop:
            shard = bisect_right(self._starts, row) - 1
            batch, offset = divmod(row - self._starts[shard], BATCH)
            part = self._open(shard).get_batch(batch).slice(offset, stop - row)
            yield from part.to_pylist()
            row += part.num_rows

    @property
    def names(self) -> Sequence[str]:
        """Of the columns."""
        return list(self._open(0).schema.names)

    def schema(self, shard: int) -> pa.Schema:
        """The columns of one file of rows; those of corpora of before are written as they are now."""
        return TAGGED if "tags" in self._open(shard).schema.names else SCHEMA

    def column(self, name: str) -> Iterator[pa.Array]:
        """A column, batch by batch, in row order."""
        yield from (batch.column(name) for _, batch in self.batches())

    def batches(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        """All Arrow rows, batch by batch, with the number of the first of each."""
        for shard, start in enumerate(self._starts[:-1]):
            rows = self._open(shard)
            for number in range(rows.num_record_batches):
                batch = rows.get_batch(number)
                yield start, batch
                start += batch.num_rows

    def read(self, location: Location) -> bytes:
        """The stored file of a picture. Safe in forked loader workers: `pread` shares no position."""
        if location.shard not in self._pictures:
            self._pictures[location.shard] = os.open(self._folder / images_name(location.shard), os.O_RDONLY)
        return os.pread(self._pictures[location.shard], location.size, location.offset)

    def _open(self, shard: int) -> pa.ipc.RecordBatchFileReader:
        if shard not in self._rows:
            self._rows[shard] = pa.ipc.open_file(pa.memory_map(str(self._folder / rows_name(shard))))
        return self._rows[shard]

    def __getstate__(self) -> tuple[Path, list[int]]:
        """Another process opens the files anew."""
        return self._folder, self._starts

    def __setstate__(self, state: tuple[Path, list[int]]) -> None:
        self._folder, self._starts = state
        self._begin()

    def _begin(self) -> None:
        """Nothing is open yet. What will be is closed with the reader, or before the interpreter takes itself apart."""
        self._rows: dict[int, pa.ipc.RecordBatchFileReader] = {}
        self._pictures: dict[int, int] = {}
        weakref.finalize(self, _close, self._pictures)


def _close(descriptors: dict[int, int]) -> None:
    for descriptor in descriptors.values():
        os.close(descriptor)
