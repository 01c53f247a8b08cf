"""The rows that a stage's selection leaves, decided once by the first rank and kept beside the stage."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from lingshu_train import dist
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.order import selection
from lingshu_train.data.order.selection import Chosen, Selection, Strata
from lingshu_train.data.questions.opened import openable
from lingshu_train.errors import DataError
from lingshu_train.record import ANSWER_TYPES
from lingshu_train.runs.files import failure, sync

NAME = "selection.npz"


def choose(folder: Path, corpora: list[Corpus], wanted: Selection, *, seed: int, where: str) -> Chosen:
    """Numbers of the rows of all corpora, one after another, that `wanted` takes. Every rank has to take part.

    DataError where nothing is left.
    """
    path = folder / NAME
    if dist.place().first and not path.is_file():
        chosen = selection.select(_strata(corpora), wanted, seed=seed)
        if not len(chosen.rows):
            raise DataError(f"{where}: no row is left of {sum(map(len, corpora)):,}")
        _save(path, chosen)
    dist.barrier()
    with np.load(path) as found:
        return Chosen(rows=found["rows"], opened=found["opened"])


def _strata(corpora: list[Corpus]) -> Strata:
    size = sum(map(len, corpora))
    types, modalities, flags = np.zeros(size, np.int8), np.zeros(size, np.int32), np.zeros(size, bool)
    codes: dict[str, int] = {}
    samples = (found.sample(n) for found in corpora for n in range(len(found)))
    for number, sample in enumerate(samples):
        types[number] = ANSWER_TYPES.index(sample.question_type)
        modalities[number] = codes.setdefault(sample.modality, len(codes))
        flags[number] = openable(sample)
    return Strata(question_type=types, modality=modalities, openable=flags)


def _save(path: Path, chosen: Chosen) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(beside, rows=chosen.rows, opened=chosen.opened)
        sync(beside)
        beside.replace(path)
    except OSError as fault:
        raise failure(path, fault) from None
