"""A generation window cut into slices: prompts of like length together, a bounded number of completions in one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import numpy as np
import torch

from lingshu_train.model.family import Family


class Window:
    """The tokenized prompts of a window, one for each completion, on the host.

    `fields` is what the processor gave beside the tokens: of `names` (Family.blank) for all pictures end to end, of any other
    name a list of numbers a prompt, one a token. `pieces` says how many of Family.apart each prompt has.
    """

    def __init__(
        self,
        ids: Sequence[Sequence[int]],
        fields: Mapping[str, object],
        *,
        family: Family,
        names: Sequence[str],
        pieces: Sequence[int],
    ) -> None:
        self._ids = ids
        found = {name: torch.as_tensor(np.asarray(fields[name])) for name in names if name in fields}
        self._pictures = family.apart(found) if found else []
        self._tokens = {name: value for name, value in fields.items() if name not in found}
        self._firsts = list(accumulate(pieces, initial=0))
        assert len(self._pictures) == self._firsts[-1], "pieces of pictures that belong to no prompt"

    def slices(self, size: int) -> Iterator[list[int]]:
        """Places in the window, each once, at most `size` together. The longest come first: what does not fit shows at once.
        Copies of a prompt stay side by side, so that the vision tower sees their picture once."""
        order = sorted(range(len(self._ids)), key=lambda place: -len(self._ids[place]))
        for first in range(0, len(order), size):
            yield order[first : first + size]

    def inputs(self, places: Sequence[int], *, pad: int, device: torch.device) -> dict[str, torch.Tensor]:
        """What a model is given of a slice: input_ids, attention_mask and whatever else has a number a token (B, L), padded on
        the left, and the pixels of its pictures."""
        lengths = [len(self._ids[place]) for place in places]
        given = {
            "input_ids": _left([self._ids[place] for place in places], pad),
            "attention_mask": _left([[1] * length for length in lengths], 0),
        }
        for name, rows in self._tokens.items():
            assert isinstance(rows, Sequence), f"{name}: not a list a prompt"
            given[name] = _left([rows[place] for place in places], 0)
        shown = [
            one for place in places for one in self._pictures[self._firsts[place] : self._firsts[place + 1]]
        ]
        for name in shown[0] if shown else ():
            given[name] = torch.cat([one[name] for one in shown])
        return {name: tensor.to(device) for name, tensor in given.items()}


def _left(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([[value] * (width - len(row)) + list(row) for row in rows])
