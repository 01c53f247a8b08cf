"""Rows of a finished corpus overwritten where they stand: texts, ids and pictures go, and every place stays.

What is left of a row is what orders are made of: its split, card, task, type of answer and modality, whether a choice could be
asked openly, and its stored numbers of tokens. Files without such a row are linked.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lingshu_train.data.corpus import corpus
from lingshu_train.data.corpus.corpus import MEASURED, Corpus
from lingshu_train.data.corpus.journal import INDEX
from lingshu_train.data.corpus.parents import children, naming
from lingshu_train.data.corpus.records import Location, Record, locations_of, sample_of
from lingshu_train.data.corpus.shards import BATCH, images_name, rows_name
from lingshu_train.data.corpus.summary import SUMMARY
from lingshu_train.data.corpus.writer import QUARANTINE
from lingshu_train.data.questions.opened import openable
from lingshu_train.record import pair_of
from lingshu_train.runs.files import link_file, sync, write_json, write_text
from lingshu_train.runs.withdrawn import MARK

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was overwritten: rows, pictures that no other row has, and files below the corpus that are not those from before."""

    rows: int
    pictures: int
    files: tuple[str, ...]


def erase(found: Corpus, rows: Ints, target: Path, *, known: Mapping[tuple[int, int], Path]) -> Erased:
    """Write into the new folder `target` the corpus `found` without the content of `rows` (ascending, of the whole corpus).

    `known`: files by device and inode that stand elsewhere already without it, as a curated corpus has those of another.
    """
    source = found.folder
    target.mkdir(parents=True, exist_ok=True)
    own = _own_pictures(found, rows)
    names = [found.reader.record(int(row))["id"] for row in rows]
    spoken = {each for name in names if name != MARK for each in naming(name)}
    changed = {images_name(one.shard): None for one in own}
    changed |= dict.fromkeys(_shards(found, np.union1d(rows, children(found, spoken))))
    # Of several requests a row may be one of each.
    anew, ids = sum(name != MARK for name in names), set(names)
    for path in sorted(path for path in source.iterdir() if path.is_file() and path.name != SUMMARY):
        place = target / path.name
        place.unlink(missing_ok=True)
        if fnmatch(path.name, MEASURED):
            continue  # Hashes of what is erased, among others; measured again when they are asked for.
        there = path.stat()
        again = known.get((there.st_dev, there.st_ino))
        if path.name in changed and again is not None:
            link_file(again, place)
        elif path.name in changed and path.suffix == ".tar":
            _blank_pictures(path, place, [one for one in own if images_name(one.shard) == path.name])
        elif path.name in changed:
            _blank_rows(found, path.name, place, rows, spoken)
        elif path.name == INDEX and own:
            _unlist(path, place, own)
            changed[INDEX] = None
        elif path.name == QUARANTINE and (text := _unnamed(path, ids)) is not None:
            write_text(place, text)
            changed[QUARANTINE] = None
        else:
            link_file(path, place)
    before = corpus.read_summary(source)
    after = before.model_copy(
        update={
            "images": before.images - len(own),
            "image_bytes": before.image_bytes - sum(one.size for one in own),
            "erased": before.erased + anew,
            "identity": corpus.identity(source),
        }
    )
    write_json(target / SUMMARY, after.model_dump(mode="json"))
    return Erased(rows=anew, pictures=len(own), files=tuple(sorted({*changed, SUMMARY})))


def _own_pictures(found: Corpus, rows: Ints) -> list[Location]:
    """Pictures of the rows that no other row of the corpus has."""
    mine = {one.digest: one for row in rows for one in locations_of(found.reader.record(int(row)))}
    wanted = pa.array(sorted(mine), pa.string())
    start, others = 0, set[str]()
    for part in found.reader.column("images"):
        digests = pc.struct_field(pc.list_flatten(part), "digest")
        hits = np.flatnonzero(pc.is_in(digests, value_set=wanted).to_numpy(zero_copy_only=False))
        owners = pc.list_parent_indices(part).to_numpy(zero_copy_only=False)[hits] + start
        theirs = hits[~np.isin(owners, rows)]
        others |= set(digests.take(pa.array(theirs)).to_pylist())
        start += len(part)
    return [one for digest, one in sorted(mine.items()) if digest not in others]


def _shards(found: Corpus, rows: Ints) -> Iterator[str]:
    """Files of rows that hold one of them."""
    start = 0
    for shard, count in enumerate(corpus.read_summary(found.folder).shards):
        if ((rows >= start) & (rows < start + count)).any():
            yield rows_name(shard)
        start += count


def _blank_rows(found: Corpus, name: str, target: Path, rows: Ints, spoken: set[str]) -> None:
    """One file of rows, in the same batches. Other rows no longer name what is `spoken` of as their parents."""
    counts = corpus.read_summary(found.folder).shards
    shard = next(number for number in range(len(counts)) if rows_name(number) == name)
    start, lost = sum(counts[:shard]), set(rows.tolist())
    columns = found.reader.schema(shard)
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, columns) as writer:
        for first in range(start, start + counts[shard], BATCH):
            last = min(first + BATCH, start + counts[shard])
            part = [
                _blank(record) if row in lost else _orphaned(record, spoken)
                for row, record in enumerate(found.reader.records(first, last), first)
            ]
            writer.write_batch(pa.RecordBatch.from_pylist(part, schema=columns))
    sync(target)


def _orphaned(row: Record, spoken: set[str]) -> Record:
    return {**row, "parents": [MARK if name in spoken else name for name in row.get("parents", ())]}


def _blank(row: Record) -> Record:
    """What orders are made of, and nothing else. A choice that could be asked openly stays one: a selection counts these."""
    can_open = openable(sample_of(row))
    return {
        "id": MARK,
        "card": row["card"],
        "split": row["split"],
        "task": row["task"],
        "question": "-",
        "question_type": row["question_type"],
        "answer": "A" if can_open else "-",
        "reasoning": "",
        "form": "",
        "group": "",
        "modality": row["modality"],
        "tol": None,
        "options": [{"letter": "A", "text": "left"}, {"letter": "B", "text": "right"}] if can_open else [],
        "aliases": [],
        "turns": [],
        "images": [],
        "system": "",
        # The name of a pair says nothing of a row, and the order of pairs hangs on it.
        "parents": [pair] if (pair := pair_of(row.get("parents", ()))) else [],
        "tags": [],
    }


def _blank_pictures(source: Path, target: Path, pictures: list[Location]) -> None:
    """A file of pictures with zeros where these stood, and no name of theirs. It opens as before."""
    shutil.copyfile(source, target)
    with target.open("r+b") as stream:
        for one in pictures:
            member = tarfile.TarInfo(f"erased-{one.offset}")
            member.size = one.size
            stream.seek(one.offset - tarfile.BLOCKSIZE)
            stream.write(member.tobuf(tarfile.USTAR_FORMAT))
            stream.write(bytes(one.size))
        stream.flush()
        os.fsync(stream.fileno())


def _unlist(source: Path, target: Path, pictures: list[Location]) -> None:
    """The index without these pictures; its file is written anew, since SQLite leaves what it deletes."""
    shutil.copyfile(source, target)
    with closing(sqlite3.connect(target, isolation_level=None)) as base:
        base.execute("pragma journal_mode = off")
        for one in pictures:
            base.execute("delete from images where digest = ?", (bytes.fromhex(one.digest),))
        base.execute("vacuum")
    sync(target)


def _unnamed(path: Path, ids: set[str]) -> str | None:
    """Lines of what preparing refused, without those of rows of these ids; None where there is none."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line).get("where") not in ids]
    return "".join(kept) if len(kept) < len(lines) else None
