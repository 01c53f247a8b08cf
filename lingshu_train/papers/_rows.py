"""What training could read of each data card, counted in the corpora: rows, text, pictures, groups. No row is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lingshu_train.data.corpus import corpus, withdrawn
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.runs.withdrawn import MARK, Gone

_TEXT = ("question", "answer", "reasoning")
_SCHEMA = pa.schema(
    [("card", pa.string()), ("id", pa.string()), ("group", pa.string()), ("bytes", pa.int64())]
)
_PICTURES = pa.schema([("card", pa.string()), ("digest", pa.string())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Rows of a corpus that a stage reads; no `tasks`, no `cards`: all of them. `gone` are withdrawn from it."""

    folder: Path
    split: str
    tasks: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()
    gone: Gone | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Of one card, each row and each picture once however often it is read. `text` is in UTF-8 bytes of questions, options,
    answers and reasoning; `groups` are the patients, volumes or pictures that splits never divide, 0 where rows name none."""

    rows: int
    groups: int
    pictures: int
    text: int


def counted(reads: Iterable[Read]) -> tuple[Mapping[str, Counted], int]:
    """By card, and the number of different pictures over all cards. MissingInput or DataError where a corpus is not here or
    cannot be read. Memory grows with the rows' names and the pictures' digests, some hundred bytes a row."""
    lines, pictures = [_SCHEMA.empty_table()], [_PICTURES.empty_table()]
    for read in dict.fromkeys(reads):
        whole = corpus.load(read.folder)
        found = withdrawn.without(whole, withdrawn.among(whole, read.gone, where=read.folder.parent.name))
        rows = pa.concat_tables([_SCHEMA.empty_table(), *_lines(found, read)])
        lines.append(rows)
        pictures += _pictures(found, read)
    rows = pa.concat_tables(lines).group_by(["card", "id"]).aggregate([("bytes", "max"), ("group", "min")])
    shown = pa.concat_tables(pictures).group_by(["card", "digest"]).aggregate([])
    named = rows.filter(pc.not_equal(rows["group_min"], "")).group_by(["card", "group_min"]).aggregate([])
    sums = rows.group_by("card").aggregate([("id", "count"), ("bytes_max", "sum")])
    groups, seen = _tally(named), _tally(shown)
    by_card = {
        card: Counted(rows=number, groups=groups.get(card, 0), pictures=seen.get(card, 0), text=size)
        for card, number, size in zip(
            *(sums[name].to_pylist() for name in ("card", "id_count", "bytes_max_sum")), strict=True
        )
    }
    return dict(sorted(by_card.items())), len(pc.unique(shown["digest"]))


def _tally(table: pa.Table) -> dict[str, int]:
    found = pc.value_counts(table["card"])
    return {one["values"]: one["counts"] for one in found.to_pylist()}


def _masks(found: Corpus, read: Read) -> Iterable[pa.Array]:
    """Which rows of each batch are read, those that curation took away left out."""
    kept = None if found.chosen is None else np.isin(np.arange(found.total), found.chosen)
    start = 0
    columns = (found.reader.column(name) for name in ("split", "task", "card"))
    for split, task, card in zip(*columns, strict=True):
        fit = pc.equal(split, read.split)
        if read.tasks:
            fit = pc.and_(fit, pc.is_in(task, value_set=pa.array(read.tasks)))
        if read.cards:
            fit = pc.and_(fit, pc.is_in(card, value_set=pa.array(read.cards)))
        if kept is not None:
            fit = pc.and_(fit, pa.array(kept[start : start + len(split)]))
        start += len(split)
        yield fit


def _lines(found: Corpus, read: Read) -> Iterable[pa.Table]:
    names = ("card", "id", "group", *_TEXT, "options", "turns")
    columns = (found.reader.column(name) for name in names)
    place, start = corpus.identity(found.folder), 0
    for fit, *values in zip(_masks(found, read), *columns, strict=True):
        batch = dict(zip(names, values, strict=True))
        batch["id"] = _told_apart(batch["id"], place, start)
        start += len(fit)
        size = (
            sum((_bytes(batch[name]) for name in _TEXT), start=np.zeros(len(fit), dtype=np.int64))
            + _nested(batch["options"], "text")
            + _nested(batch["turns"], "question")
            + _nested(batch["turns"], "answer")
        )
        table = pa.table([batch["card"], batch["id"], batch["group"], pa.array(size)], schema=_SCHEMA)
        yield table.filter(fit)


def _told_apart(ids: pa.Array, place: str, start: int) -> pa.Array:
    """Rows that were erased since have one name together, and are rows all the same: each by its place, which a curated corpus
    shares with the one it was made of."""
    lost = pc.equal(ids, MARK)
    if not pc.any(lost).as_py():
        return ids
    own = pa.array([f"{MARK} {place} {row}" for row in range(start, start + len(ids))])
    return pc.if_else(lost, own, ids)


Sizes = npt.NDArray[np.int64]


def _bytes(texts: pa.Array) -> Sizes:
    found: Sizes = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _nested(lists: pa.Array, field: str) -> Sizes:
    """Bytes of a field of the records in each row's list."""
    sizes = _bytes(pc.struct_field(pc.list_flatten(lists), field))
    owners = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    return np.bincount(owners, weights=sizes, minlength=len(lists)).astype(np.int64)


def _pictures(found: Corpus, read: Read) -> Iterable[pa.Table]:
    columns = (found.reader.column(name) for name in ("card", "images"))
    for fit, cards, images in zip(_masks(found, read), *columns, strict=True):
        shown, owners = images.filter(fit), cards.filter(fit)
        digests = pc.struct_field(pc.list_flatten(shown), "digest")
        table = pa.table([owners.take(pc.list_parent_indices(shown)), digests], schema=_PICTURES)
        yield table.group_by(["card", "digest"]).aggregate([]).select(["card", "digest"])
