"""Which rows of a corpus are asked for: a sample, a patient, a card, or every row with a picture."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lingshu_train.data.corpus import corpus
from lingshu_train.data.corpus.writer import QUARANTINE
from lingshu_train.data.images.encoding import encoded
from lingshu_train.errors import DataError, LingshuError, MissingInput
from lingshu_train.model.shape import PictureBudget
from lingshu_train.runs import ledger

Ints = npt.NDArray[np.int64]
What = Literal["sample", "patient", "card", "image"]
COLUMNS = {"sample": "id", "patient": "group", "card": "card"}
"""Where each stands in a corpus. A patient is what a card calls the group: patient, volume or picture, never split."""
REFUSED = {"sample": "where", "card": "card"}
"""Where each stands in a line of the quarantine, which has neither groups nor pictures."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. `values` are ids, groups, cards or digests of pictures; `searched` says so in words."""

    what: What
    named: str
    values: tuple[str, ...]
    searched: str


def wanted(what: What, named: str, budgets: Iterable[PictureBudget] = ()) -> Wanted:
    """What a command line names. `image` is a file, or the digest of a stored picture; MissingInput: it is neither."""
    if what != "image":
        return Wanted(what, named, (named,), f"{COLUMNS[what]} {named!r}")
    if re.fullmatch("[0-9a-f]{64}", named):
        return Wanted(what, named, (named,), f"the stored picture {named[:12]}")
    path = Path(named)
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise MissingInput(
            f"--image {named}: {fault.strerror}; name a file, or the sha256 of a stored picture"
        ) from None
    digests, told = [hashlib.sha256(data).hexdigest()], ["its own bytes"]
    for budget in dict.fromkeys(budgets):
        told.append(f"what prepare stores of it at most {budget.max_pixels:,} pixels")
        try:
            digests.append(hashlib.sha256(encoded(path, budget=budget).data).hexdigest())
        except LingshuError as fault:
            told[-1] += f" (cannot be made: {fault})"
    found = tuple(dict.fromkeys(digests))
    return Wanted(what, named, found, f"pictures equal to {named}: {', '.join(told)}")


def rows(found: corpus.Corpus, asked: Wanted) -> Ints:
    """Numbers of the rows of the whole corpus that are asked for, ascending. DataError: its files cannot be read."""
    values = pa.array(asked.values, type=pa.string())
    try:
        parts = [
            start + _numbers(part, asked, values)
            for start, part in _parts(found, COLUMNS.get(asked.what, "images"))
        ]
    except (OSError, pa.ArrowInvalid) as fault:
        raise DataError(
            f"{found.folder}: rows cannot be read ({fault}); {corpus.again(found.folder)}"
        ) from None
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def refused(folder: Path, asked: Wanted) -> list[str]:
    """Why rows of this name are not in a corpus: the lines of what preparing refused."""
    key = REFUSED.get(asked.what, "")
    lines = ledger.lines(folder / QUARANTINE) if key else []
    return [f"{line.get('where')}: {line.get('reason')}" for line in lines if line.get(key) == asked.named]


def _parts(found: corpus.Corpus, column: str) -> Iterator[tuple[int, pa.Array]]:
    """A column, batch by batch, each with the number of its first row."""
    start = 0
    for part in found.reader.column(column):
        yield start, part
        start += len(part)


def _numbers(part: pa.Array, asked: Wanted, values: pa.Array) -> Ints:
    if asked.what != "image":
        return np.flatnonzero(pc.is_in(part, value_set=values).to_numpy(zero_copy_only=False))
    digests = pc.struct_field(pc.list_flatten(part), "digest")
    hit = pc.is_in(digests, value_set=values).to_numpy(zero_copy_only=False)
    owners = pc.list_parent_indices(part).to_numpy(zero_copy_only=False)
    return np.unique(owners[hit]).astype(np.int64)
