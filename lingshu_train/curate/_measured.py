"""The arrays that the jobs have left, joined; and what of them is kept beside corpora."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lingshu_train.curate import _decision, _index, _work
from lingshu_train.curate._looks import LOOK, Looks
from lingshu_train.curate._work import Work, joined, places
from lingshu_train.data.corpus.corpus import RowNumbers


def looks(work: Work) -> Looks | None:
    """The measurements of all pictures in the order of their places, memory-mapped; None where no step asked."""
    if not work.looking:
        return None
    path = work.folder / "looks.npy"
    if not path.is_file():
        ends = _work.borders(work)
        parts = {ends[number][0]: path for number, path in work.known(_index.LOOKS).items()}
        parts |= {job.start: _work.looks_file(work, job) for job in _work.picture_jobs(work)}
        _join(path, parts, dtype=LOOK, shape=(len(places(work.folder)),))
    return joined(path)


def measured(work: Work, step: int) -> npt.NDArray[np.generic] | None:
    """What a step measured of the row of every number, memory-mapped; None where it measures nothing."""
    loaded = work.loaded()[step]
    wanted = loaded.measuring
    if wanted is None:
        return None
    path = work.folder / f"measured-{step}.npy"
    if not path.is_file():
        total = sum(one.rows for one in work.sources)
        jobs = _work.row_jobs(work)
        known = work.known(_index.of_step(loaded))
        parts = {work.sources[number].first: path for number, path in known.items()}
        parts |= {
            work.sources[job.source or 0].first + job.start: _work.step_file(work, step, job, "npy")
            for job in jobs
        }
        _join(path, parts, dtype=wanted.MEASURED.base, shape=(total, *wanted.MEASURED.shape))
    return joined(path)


def judged(work: Work, step: int) -> Iterator[_decision.Decision]:
    """What a step that needs no other row decided, row by row."""
    for job in _work.row_jobs(work):
        path = _work.step_file(work, step, job, "parquet")
        if path.is_file():
            yield from _decision.read(path)


def keep(work: Work, folder: Path, gone: RowNumbers) -> None:
    """Keep what was measured: beside every corpus that was compared with, and beside the new one in `folder`, of the own rows
    but those that are `gone`. Nothing is lost where a kill comes between: it is measured again."""
    left = _work.left(work.folder)
    stayed = left.copy()
    stayed[gone] = False
    for number, source in enumerate(work.sources):
        target, there = (folder, stayed) if source.part == "own" else (Path(source.folder), left)
        found = looks(work)
        if found is not None and number not in work.known(_index.LOOKS):
            shown = _index.of_pictures(found, places(work.folder), number, source, there)
            _index.keep(target, _index.LOOKS, shown)
        for step, loaded in enumerate(work.loaded()):
            what, values = _index.of_step(loaded), measured(work, step)
            if values is not None and number not in work.known(what):
                _index.keep(target, what, _index.of_rows(values, source, there))


def _join(path: Path, parts: Mapping[int, Path], *, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """One array of the jobs' arrays, each from its first place on. Processes that do it at once write the same."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    if not shape[0]:
        with beside.open("wb") as stream:
            np.save(stream, np.empty(shape, dtype))
    else:
        made = np.lib.format.open_memmap(beside, mode="w+", dtype=dtype, shape=shape)
        for start, part in parts.items():
            values = np.load(part)
            made[start : start + len(values)] = values
        made.flush()
    beside.replace(path)
