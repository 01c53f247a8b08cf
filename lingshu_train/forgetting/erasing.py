"""A finished corpus stage whose rows were erased takes its own place: whole or not at all, and nothing else of it is lost."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lingshu_train.data.corpus import corpus, erasing, late, table
from lingshu_train.errors import DataError
from lingshu_train.naming import file_digest
from lingshu_train.runs import erased, hashes, holding, manifest
from lingshu_train.runs.files import failure, link_file, replacing, settle, sync, write_json
from lingshu_train.runs.withdrawn import MARK, written
from lingshu_train.tracing.matching import Ints

FRESH, BEFORE = ".erasing", ".before"
DECISIONS = "decisions.parquet"
Inodes = Mapping[tuple[int, int], Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapped:
    """`files` below the stage that are not those from before; manifests by sha256. `known`: files by device and inode, and
    where the same without the rows lies now."""

    files: tuple[str, ...]
    before: str
    after: str
    known: Inodes


def erase(folder: Path, rows: Ints, known: Inodes, *, otherwise: str = "") -> Swapped:
    """Erase ascending rows of the corpus of the finished stage in `folder`; what was done already is told again. A kill leaves
    the old stage, or the new one, or the new one under a hidden name (`finish`), and the same call goes on.

    DataError (65): the stage's files are not what it left; `otherwise` says what to do.
    """
    fresh, away = _fresh(folder), _away(folder)
    try:
        made = manifest.read(folder)
        told = erased.said(made)
        if told is not None and np.isin(rows, told.numbers).all():
            _remove(away)
            after = file_digest(folder / manifest.NAME)
            return Swapped(files=told.files, before=told.before[-1], after=after, known=known)
        if damaged := manifest.damaged(folder):
            raise DataError(f"{folder / damaged[0]}: is damaged; {otherwise or manifest.again(folder)}")
        _remove(fresh)
        files, links = _written(folder, fresh, rows, known)
        _describe(folder, fresh, rows, files)
        before = file_digest(folder / manifest.NAME)
        folder.rename(away)
        fresh.rename(folder)
        sync(folder.parent)
        _remove(away)
    except OSError as fault:
        raise failure(folder, fault) from None
    after = file_digest(folder / manifest.NAME)
    return Swapped(files=files, before=before, after=after, known={**known, **links})


def finish(run: Path) -> None:
    """Finish what a kill has left half done in the folder of a run, or undo it: a stage that stands under hidden names alone
    takes its place again, and what it was before goes where the rows are erased from it."""
    try:
        for away in sorted(run.glob(f".*{BEFORE}")):
            folder, fresh = _of(away, BEFORE), _fresh(_of(away, BEFORE))
            if not folder.exists():
                (fresh if manifest.done(fresh) else away).rename(folder)
                sync(run)
            if away.exists() and _is_without(folder, away):
                _remove(away)
        for fresh in sorted(run.glob(f".*{FRESH}")):
            folder = _of(fresh, FRESH)
            if folder.exists():
                _remove(fresh)
            elif manifest.done(fresh):
                fresh.rename(folder)
                sync(run)
    except OSError as fault:
        raise failure(run, fault) from None


def _fresh(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{FRESH}")


def _away(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{BEFORE}")


def _of(hidden: Path, end: str) -> Path:
    """The stage's folder whose hidden name this is."""
    return hidden.with_name(hidden.name.removeprefix(".").removesuffix(end))


def _is_without(folder: Path, away: Path) -> bool:
    """Whether a finished stage is another one without some rows, by our own word."""
    if not manifest.done(folder):
        return False
    record = away / manifest.NAME
    # Of a removal that was interrupted the record may be gone.
    return not record.is_file() or erased.covers(manifest.read(folder), file_digest(record))


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _written(
    folder: Path, fresh: Path, rows: Ints, known: Inodes
) -> tuple[tuple[str, ...], dict[tuple[int, int], Path]]:
    """The stage in `fresh`, without its manifest; names of the changed files, and where each of the old ones stands now."""
    found = corpus.load(folder / "corpus")
    ids = {found.reader.record(int(row))["id"] for row in rows}
    made = erasing.erase(found, rows, fresh / "corpus", known=known)
    changed = [f"corpus/{name}" for name in made.files]
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder)
        if name.parts[0] in ("corpus", holding.FOLDER, manifest.NAME):
            continue
        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        if name.name == DECISIONS and _unnamed(path, fresh / name, ids):
            changed.append(name.as_posix())
        else:
            link_file(path, fresh / name)
    links = {}
    for each in made.files:
        there = (folder / "corpus" / each).stat()
        # The place that it will have.
        links[there.st_dev, there.st_ino] = folder / "corpus" / each
    return tuple(sorted(changed)), links


def _describe(folder: Path, fresh: Path, rows: Ints, files: tuple[str, ...]) -> None:
    """The manifest, last: the stage as it was, with the hashes of what it holds now."""
    made = manifest.read(folder)
    # Nobody can measure again how long an erased row was, nor look up whose.
    tables = {
        path.relative_to(fresh).as_posix()
        for files in (table.FILES, late.FILES)
        for path in (fresh / "corpus").glob(files)
    }
    names = sorted({*made.files, *tables})
    settle(fresh, names)
    found = hashes.of(fresh / name for name in names)
    facts = corpus.read_summary(fresh / "corpus").facts()
    left = made.model_copy(
        update={
            "files": {name: str(found[fresh / name]) for name in names},
            "sizes": {name: (fresh / name).stat().st_size for name in names},
            "results": {**made.results, **facts},
        }
    )
    before = file_digest(folder / manifest.NAME)
    after = erased.signed(left, rows=written(rows.tolist()), files=files, before=before)
    write_json(fresh / manifest.NAME, manifest.portable(after))


def _unnamed(path: Path, target: Path, ids: set[str]) -> bool:
    """Decisions of curation without the ids of erased rows; whether there were any."""
    table = pq.read_table(path)
    lost, hit = pa.array(sorted(ids), pa.string()), False
    for name in ("sample", "evidence"):
        same = pc.is_in(table[name], value_set=lost)
        hit = hit or bool(pc.any(same).as_py())
        table = table.set_column(
            table.schema.get_field_index(name), name, pc.if_else(same, pa.scalar(MARK), table[name])
        )
    if hit:
        with replacing(target) as beside:
            pq.write_table(table, beside)
    return hit
