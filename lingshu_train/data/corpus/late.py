"""Which rows of a corpus are of patients whose consent is recent: found once by their group, and kept beside the corpus.

What is kept outlives the groups of rows that are erased, whose places in the order hang on it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lingshu_train.data.corpus import corpus
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.images.opening import named
from lingshu_train.data.order.consented import ConsentedLate
from lingshu_train.errors import DataError
from lingshu_train.naming import digest
from lingshu_train.runs import manifest
from lingshu_train.runs.arrays import save_array, sealed

Ints = npt.NDArray[np.int64]
FILES = "late-*.npy"
"""Beside a corpus, ascending row numbers: one for each table of consents and day, whose hash is in the name."""


def of_all(corpora: Sequence[Corpus], wanted: ConsentedLate, *, where: str) -> list[Ints]:
    """Of each corpus the rows, numbers of the whole corpus, ascending. DataError (65): the table names patients, and no corpus
    has one of them: it will be another spelling, and nobody would come late."""
    folders = [found.folder for found in corpora]
    numbers = {folder: _of(folder, wanted, where) for folder in dict.fromkeys(folders)}
    if not any(map(len, numbers.values())) and (patients := wanted.patients(where)):
        example = corpora[0].sample(0).group
        raise DataError(
            f"{where}: {wanted.file}: {len(patients):,} patients consented since {wanted.since}, such as {min(patients)!r}, "
            f"and none is in {', '.join(str(folder) for folder in numbers)}, where patients are named as {example!r}"
        )
    return [numbers[folder] for folder in folders]


def places(found: Corpus, rows: Ints) -> Ints:
    """Where rows of the whole corpus stand among the chosen ones, ascending."""
    return rows if found.chosen is None else np.flatnonzero(np.isin(found.chosen, rows))


def read(folder: Path, name: str) -> Ints:
    """What is kept under a name beside a corpus."""
    with named(folder / name, kind="row numbers"):
        return np.asarray(np.load(folder / name), np.int64)


def _of(folder: Path, wanted: ConsentedLate, where: str) -> Ints:
    said = wanted.digest(where)
    path = folder / f"late-{said[:12]}.npy"
    key = digest([corpus.identity(folder), said])
    kept = sealed(path, key)
    if kept is None:
        _refuse_erased(path)
        kept = _found(folder, wanted.patients(where))
        if os.access(folder, os.W_OK):
            save_array(path, kept, key=key)
    return np.asarray(kept, np.int64)


def _found(folder: Path, patients: frozenset[str]) -> npt.NDArray[np.uint32]:
    among = pa.array(sorted(patients), pa.string())
    parts = [
        pc.is_in(part, value_set=among).to_numpy(zero_copy_only=False)
        for part in corpus.load(folder).reader.column("group")
    ]
    return np.flatnonzero(np.concatenate([np.empty(0, np.bool_), *parts])).astype(np.uint32)


def _refuse_erased(path: Path) -> None:
    """Rows were erased since it was kept, and what is left does not tell which patients they were of."""
    stage = path.parent.parent
    if manifest.done(stage) and f"{path.parent.name}/{path.name}" in manifest.read(stage).files:
        raise DataError(
            f"{path}: is missing or damaged, and rows of its corpus were erased; {manifest.again(stage)}"
        )
