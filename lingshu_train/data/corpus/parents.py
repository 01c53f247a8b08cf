"""Rows that say which rows they were made from, by whatever model or rule wrote them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lingshu_train.data.corpus.corpus import Corpus

Ints = npt.NDArray[np.int64]
_OWN = re.compile(r"#\d+(?:\.\d+)?:(.+)", re.DOTALL)


def naming(id: str) -> tuple[str, ...]:
    """How others may name a row: by its id, and by the publisher's own, which ends it (rows/reading.py)."""
    own = _OWN.search(id)
    return (id, own[1]) if own else (id,)


def children(found: Corpus, names: Iterable[str]) -> Ints:
    """Numbers of the rows of the whole corpus that name one of these as a parent, ascending. Corpora of before name none."""
    if "parents" not in found.reader.names:
        return np.empty(0, np.int64)
    wanted, start, hits = pa.array(sorted(names), pa.string()), 0, [np.empty(0, np.int64)]
    for part in found.reader.column("parents"):
        flags = pc.is_in(pc.list_flatten(part), value_set=wanted).to_numpy(zero_copy_only=False)
        owners = pc.list_parent_indices(part).to_numpy(zero_copy_only=False)
        hits.append(np.unique(owners[flags.astype(bool)]).astype(np.int64) + start)
        start += len(part)
    return np.concatenate(hits)


def descending(every: Mapping[str, Corpus], rows: Mapping[str, Ints]) -> Iterator[tuple[str, int]]:
    """Rows of all corpora, by the corpus's name and number, that were made from `rows`, or from what was."""
    known = {(name, int(row)) for name, numbers in rows.items() for row in numbers}
    new = known
    while new:
        names = {each for name, row in new for each in naming(every[name].reader.record(row)["id"])}
        new = {(name, int(row)) for name, here in every.items() for row in children(here, names)} - known
        known = known | new
        yield from sorted(new)
