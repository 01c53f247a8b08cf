"""The units of a stage's corpora: which rows are asked side by side because they are halves of a counterfactual pair."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.order.mixture import Mixture
from lingshu_train.data.order.pairs import Incomplete, Paired, Units
from lingshu_train.data.order.pairs import units as units_of_names
from lingshu_train.errors import DataError
from lingshu_train.record import pair_of


def units(corpora: Sequence[Corpus], *, where: str) -> tuple[Units, ...]:
    """Of the chosen rows of each corpus, by their places. DataError: `where` and the pair of which a half is missing."""
    return units_of([(found, found.chosen) for found in corpora], where=where)


def units_of(
    parts: Iterable[tuple[Corpus, npt.NDArray[np.integer] | None]], *, where: str
) -> tuple[Units, ...]:
    """The same of some rows of each corpus (None: all)."""
    return tuple(_units(found, rows, f"{where}.{index}") for index, (found, rows) in enumerate(parts))


def order(mixture: Mixture, units: tuple[Units, ...]) -> Mixture | Paired:
    """The order of rows: the mixture's own, or that of its units where there are some."""
    return Paired(mixture, units) if units else mixture


def _units(found: Corpus, rows: npt.NDArray[np.integer] | None, where: str) -> Units:
    names = _names(found)
    own = names if rows is None else [names[int(row)] for row in rows]
    try:
        made = units_of_names(own)
    except Incomplete as fault:
        raise DataError(
            f"{where}: {fault.name}: {fault.rows} of the rows taken are of this pair, and a reward looks at two halves; widen "
            "the filters (max_prompt too) so that both are taken, or leave both out"
        ) from None
    if not len(made):
        raise DataError(
            f"{where}: fewer than two rows, and a reward looks at pairs; widen its split or filter"
        )
    return made


def _names(found: Corpus) -> list[str]:
    """The pair of every row of the corpus, empty where it is of none."""
    if "parents" not in found.reader.names:
        return [""] * found.total
    return [pair_of(parents or ()) for part in found.reader.column("parents") for parents in part.to_pylist()]
