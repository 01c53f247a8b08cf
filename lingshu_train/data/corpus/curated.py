"""A corpus without some of its rows: the same files under other names, and the numbers of the rows that are left."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa

from lingshu_train.data.corpus.corpus import KEPT, Corpus, RowNumbers, read_summary
from lingshu_train.data.corpus.summary import SUMMARY, Counts, Summary, Tally
from lingshu_train.errors import DataError
from lingshu_train.naming import digest
from lingshu_train.runs.arrays import save_array
from lingshu_train.runs.files import link_file, write_json

LINKED = ("rows-*.arrow", "images-*.tar", "images.sqlite", "quarantine.jsonl", "lengths-*.npy")
"""What both corpora have in common. Stored choices of rows (`chosen-*`) hold for one of them alone."""


def without(found: Corpus, folder: Path, withdrawn: RowNumbers) -> Summary:
    """Write into `folder` the corpus of all chosen rows of `found` but `withdrawn` (row numbers of the whole corpus).

    No row and no picture is copied on one file system. DataError where nothing would be left.
    """
    source = read_summary(found.folder)
    before = np.arange(found.total, dtype=np.uint32) if found.chosen is None else found.chosen
    left = np.setdiff1d(before, withdrawn, assume_unique=True).astype(np.uint32)
    if not len(left):
        raise DataError(f"{found.folder}: no row would be left of {len(found):,}")
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in LINKED:
        for path in sorted(found.folder.glob(pattern)):
            link_file(path, folder / path.name)
    save_array(folder / KEPT, left)
    summary = Summary(
        **_counted(found, left),
        licences=source.licences,
        refused=source.refused,
        skipped=source.skipped,
        notes=source.notes,
        shards=source.shards,
        max_pixels=source.max_pixels,
        grid=source.grid,
        control_tokens=source.control_tokens,
        fingerprint=digest([source.fingerprint, hashlib.sha256(left.tobytes()).hexdigest()]),
    )
    write_json(folder / SUMMARY, summary.model_dump(mode="json"))
    return summary


def _counted(found: Corpus, left: RowNumbers) -> Counts:
    """What is in the rows of these ascending numbers."""
    tally, seen = Tally(), set[str]()
    for start, batch in found.reader.batches():
        here = left[slice(*np.searchsorted(left, (start, start + batch.num_rows)))]
        if len(here):
            tally.rows(batch if len(here) == batch.num_rows else batch.take(pa.array(here - start)), seen)
    return tally.table()
