"""What a corpus teaches, card by card: rows, the answers in them, and the tokens of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.corpus.table import ANSWERS, TAUGHT, WHOLE, Table
from lingshu_train.schema import Strict

FACT = "taught"
"""Under this name a stage's manifest says what it prepared, or trained on."""


class Taught(Strict):
    """Of one card. A dialogue is one row, however many answers it has. `tokens` are all of its tokens, with those of its
    pictures; `taught` those of its answers."""

    rows: int
    answers: int
    tokens: int
    taught: int


def facts(cards: Mapping[str, Taught]) -> dict[str, JsonValue]:
    """As a manifest has it."""
    return {name: one.model_dump(mode="json") for name, one in cards.items()}


def by_card(found: Corpus, table: Table) -> dict[str, Taught]:
    """Of the chosen rows; `table` is that of the whole corpus (lengths.py)."""
    return summed([(found, table, 1.0)])


def summed(parts: Sequence[tuple[Corpus, Table, float]]) -> dict[str, Taught]:
    """Of several corpora, each so many times over; rounded to whole numbers where that is a fraction."""
    totals: dict[str, npt.NDArray[np.float64]] = {}
    for found, table, times in parts:
        for card, counts in _counts(found, table).items():
            totals[card] = totals.get(card, 0) + counts * times
    return {
        card: Taught(rows=rows, answers=answers, tokens=tokens, taught=taught)
        for card, (rows, answers, tokens, taught) in (
            (card, np.rint(counts).astype(int).tolist()) for card, counts in sorted(totals.items())
        )
    }


def _counts(found: Corpus, table: Table) -> Mapping[str, npt.NDArray[np.float64]]:
    """Card -> rows, answers, tokens, taught tokens. A batch of the corpus is in memory at a time."""
    totals: dict[str, npt.NDArray[np.float64]] = {}
    batches = list(found.values("card"))
    edges = np.cumsum([0, *map(len, batches)])
    for names, (start, stop) in zip(batches, pairwise(edges), strict=True):
        here = np.arange(start, stop) if found.chosen is None else _within(found.chosen, start, stop)
        own = names[here - start]
        lines = table[here][:, [ANSWERS, WHOLE, TAUGHT]].astype(np.float64)
        for card in np.unique(own.astype(str)):
            chosen = own == card
            counts = np.array([chosen.sum(), *lines[chosen].sum(axis=0)])
            totals[card] = totals.get(card, 0) + counts
    return totals


def _within(chosen: npt.NDArray[np.uint32], start: int, stop: int) -> npt.NDArray[np.int64]:
    first, last = np.searchsorted(chosen, [start, stop])
    return chosen[first:last].astype(np.int64)
