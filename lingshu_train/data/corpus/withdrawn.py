"""Rows of a corpus that yield nothing, as a stage that reads it sees them. Their numbers are those of the whole corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.errors import DataError
from lingshu_train.runs.stage import Stage
from lingshu_train.runs.withdrawn import Gone

Flags = npt.NDArray[np.bool_]


def among(found: Corpus, gone: Gone | None, *, where: str) -> Flags:
    """Which of the chosen rows of a corpus are withdrawn, (n,). DataError: the numbers are of another corpus."""
    flags = np.zeros(len(found), np.bool_)
    if gone is None:
        return flags
    if gone.fingerprint != found.fingerprint:
        raise DataError(
            f"{where}: its withdrawn rows are of the corpus {gone.fingerprint[:12]}, and {found.folder} is "
            f"{found.fingerprint[:12]}, where these numbers are other rows; name them again with `lingshu forget`"
        )
    if gone.last >= found.total:
        raise DataError(
            f"{where}: row {gone.last:,} is withdrawn, and {found.folder} has the rows 0 to {found.total - 1:,}; name them "
            "again with `lingshu forget`"
        )
    if found.chosen is not None:
        return np.isin(found.chosen, gone.numbers)
    flags[gone.numbers] = True
    return flags


def of_all(stage: Stage, names: Sequence[str], corpora: Sequence[Corpus], *, where: str) -> Flags | None:
    """The same for what a stage reads of several corpora, one after another; None where nothing is withdrawn from any."""
    if not any(name in stage.withdrawn for name in names):
        return None
    parts = [
        among(found, stage.withdrawn.get(name), where=f"{where}.{number}")
        for number, (name, found) in enumerate(zip(names, corpora, strict=True))
    ]
    return np.concatenate(parts)


def without(found: Corpus, flags: Flags) -> Corpus:
    """The chosen rows that are not flagged, (n,)."""
    chosen = np.arange(len(found), dtype=np.uint32) if found.chosen is None else found.chosen
    return replace(found, chosen=chosen[~flags]) if flags.any() else found


def left(stage: Stage, name: str, found: Corpus) -> Corpus:
    """What a stage may read of the rows `found` in the corpus of its parent `name`."""
    return without(found, among(found, stage.withdrawn.get(name), where=f"stages.{stage.name}"))
