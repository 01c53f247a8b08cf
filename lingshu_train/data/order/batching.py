"""How the samples of a step are dealt to its batches. Pure functions of their lengths: ties keep the order of the mixture."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from lingshu_train.data.order import packing

Lengths = NDArray[np.integer]
Places = NDArray[np.int64]
"""Positions of a step's samples in the order in which the loader yields them: batch after batch, to the ranks in turn."""


def alike(lengths: Lengths, *, per_batch: int, ranks: int) -> Places:
    """Batches of samples of about one length, (n,): what is filled up is least. Within a batch the longest comes first."""
    batches = np.argsort(-lengths.astype(np.int64), kind="stable").reshape(-1, per_batch)
    return _to_ranks(batches, lengths[batches].max(axis=1), ranks=ranks)


def even(lengths: Lengths, *, per_batch: int, ranks: int) -> Places:
    """Batches of `per_batch` samples whose sums are about equal, (n,): the longest sample left goes to the batch that has
    fewest tokens and a place free (Graham 1969). Within a batch samples keep the order of the mixture."""
    batches: list[list[int]] = [[] for _ in range(len(lengths) // per_batch)]
    sums = [(0, number) for number in range(len(batches))]
    for place in np.argsort(-lengths.astype(np.int64), kind="stable").tolist():
        total, number = heapq.heappop(sums)
        batches[number].append(place)
        if len(batches[number]) < per_batch:
            heapq.heappush(sums, (total + int(lengths[place]), number))
    found = np.sort(np.array(batches, np.int64), axis=1)
    return _to_ranks(found, lengths[found].sum(axis=1), ranks=ranks)


def _to_ranks(batches: NDArray[np.int64], costs: Lengths, *, ranks: int) -> Places:
    """Batches that cost alike meet on the ranks, and over the step no rank has more than another."""
    return batches[packing.deal(costs, ranks=ranks, per_batch=len(batches))].reshape(-1)
