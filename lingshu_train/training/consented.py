"""Which rows of a stage's mixture come late because their patients consented recently, as its order counts rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lingshu_train import dist
from lingshu_train.data.corpus import late
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.corpus.late import Ints
from lingshu_train.data.order.consented import ConsentedLate


def places(corpora: Sequence[Corpus], wanted: ConsentedLate | None, *, where: str) -> tuple[Ints, ...]:
    """Of each corpus the places among its chosen rows, ascending; empty where nobody is to come late. The first rank looks
    where nobody has, the others read: every rank has to take part."""
    if wanted is None:
        return ()
    if dist.place().first:
        late.of_all(corpora, wanted, where=where)
    dist.barrier()
    rows = late.of_all(corpora, wanted, where=where)
    return tuple(late.places(found, own) for found, own in zip(corpora, rows, strict=True))


def among(selected: Ints, parts: tuple[Ints, ...], starts: Sequence[int]) -> tuple[Ints, ...]:
    """The same for a selection from the rows of all corpora, one after another: places in it."""
    if not parts:
        return ()
    every = np.concatenate([own + start for own, start in zip(parts, starts, strict=False)])
    return (np.flatnonzero(np.isin(selected, every)),)
