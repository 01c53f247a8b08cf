"""The rows that a stage's selection leaves, decided once by the first rank and kept beside the stage."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np

from lingshu_train import dist, naming
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.order import selection
from lingshu_train.data.order.selection import Chosen, Selection, Strata
from lingshu_train.data.questions.opened import openable
from lingshu_train.errors import DataError, OutputFailed
from lingshu_train.record import ANSWER_TYPES
from lingshu_train.runs.files import failure, sync


def choose(folder: Path, corpora: list[Corpus], wanted: Selection, *, seed: int, where: str) -> Chosen:
    """Numbers of the rows of all corpora, one after another, that `wanted` takes. Every rank has to take part.

    What is kept is made again where it is damaged, or was chosen from something else. DataError where nothing is left.
    """
    path = folder / selection.FILE
    key = naming.digest(
        [wanted.model_dump(mode="json"), seed, [[one.fingerprint, len(one)] for one in corpora]]
    )
    if dist.place().first and _kept(path, key) is None:
        chosen = selection.select(_strata(corpora), wanted, seed=seed)
        if not len(chosen.rows):
            raise DataError(f"{where}: no row is left of {sum(map(len, corpora)):,}")
        _save(path, chosen, key)
    dist.barrier()
    found = _kept(path, key)
    if found is None:
        raise OutputFailed(f"{path}: cannot be read back; run the same command again")
    return found


def _kept(path: Path, key: str) -> Chosen | None:
    try:
        with np.load(path) as found:
            chosen = Chosen(rows=found["rows"], opened=found["opened"])
            seal = found["seal"].tobytes()
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile):
        return None
    return chosen if seal == _seal(chosen, key) else None


def _seal(chosen: Chosen, key: str) -> bytes:
    """What the rows were chosen from, and which they are."""
    return hashlib.sha256(key.encode() + chosen.rows.tobytes() + chosen.opened.tobytes()).digest()


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


def _save(path: Path, chosen: Chosen, key: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp.npz")
    seal = np.frombuffer(_seal(chosen, key), np.uint8)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(beside, rows=chosen.rows, opened=chosen.opened, seal=seal)
        sync(beside)
        beside.replace(path)
    except OSError as fault:
        raise failure(path, fault) from None
