"""The pictures of a generation window, each kept once and on the host, whatever number of completions look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch

from lingshu_train.model import repeated
from lingshu_train.model.family import Family
from lingshu_train.training.guarded import Batch

COUNTS = "num_images"
"""Of a batch: how many pictures each row has."""
COPIES = "copies"
"""Of a batch that holds each picture's pixels once: repeated.Copies.places."""
PIECES = "num_tiles"
"""Of a window in which some picture is several of Family.apart: how many of them each row has."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """`distinct` are the window's pictures as the family takes them apart, `shown` their numbers at each of its places. What is
    taken of it counts a piece of a picture as one."""

    distinct: Sequence[Batch]
    shown: Sequence[Sequence[int]]

    def at(self, places: Sequence[int]) -> dict[str, Any]:
        """What a batch of these places has of pictures: the family's inputs end to end, where there are any, and the counts."""
        numbers = [number for place in places for number in self.shown[place]]
        names = self.distinct[0] if numbers else ()
        found: dict[str, Any] = {
            name: torch.cat([self.distinct[number][name] for number in numbers]) for name in names
        }
        return found | {COUNTS: [len(self.shown[place]) for place in places]}

    def once_at(self, places: Sequence[int], pixels: str) -> dict[str, Any]:
        """As `at`, but that what is called `pixels` stands there once a picture, with COPIES."""
        numbers = [number for place in places for number in self.shown[place]]
        order = {number: n for n, number in enumerate(dict.fromkeys(numbers))}
        counts = [len(self.shown[place]) for place in places]
        # Upstream takes the pixels of a pass by these where pictures have no grid: no fewer than there are.
        found: dict[str, Any] = {COUNTS: counts, PIECES: counts}
        for name in self.distinct[0] if numbers else ():
            found[name] = torch.cat(
                [self.distinct[number][name] for number in (order if name == pixels else numbers)]
            )
        return found | ({COPIES: [order[number] for number in numbers]} if numbers else {})


def of_window(family: Family, window: Batch, names: Sequence[str]) -> Pictures | None:
    """The pictures of a batch whose inputs of `names` lie end to end; none where it has none."""
    given = {name: window[name] for name in names if isinstance(window.get(name), torch.Tensor)}
    if not given or not len(given[names[0]]):
        return None
    apart = family.apart(given)
    counts = [int(count) for count in window.get(PIECES) or window[COUNTS]]
    assert len(apart) == sum(counts), "pieces of pictures that belong to no row"
    firsts, copies = repeated.distinct([one[names[0]] for one in apart])
    kept = [{name: tensor.clone() for name, tensor in apart[number].items()} for number in firsts]
    starts = list(accumulate(counts, initial=0))
    return Pictures(kept, [copies[start:end] for start, end in pairwise(starts)])
