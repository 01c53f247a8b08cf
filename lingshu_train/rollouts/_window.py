"""A generation window cut into slices: prompts of like length together, a bounded number of completions in one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import numpy as np
import torch

from lingshu_train.model import repeated
from lingshu_train.model.family import Family


class Window:
    """The tokenized prompts of a window, each once, on the host; `asked` is the prompt of each completion.

    `fields` is what the processor gave beside the tokens: of `names` (Family.blank, pixels first) for all pictures end to end,
    of any other name a list of numbers a prompt, one a token. `pieces` says how many of Family.apart each prompt has.
    """

    def __init__(
        self,
        ids: Sequence[Sequence[int]],
        fields: Mapping[str, object],
        *,
        family: Family,
        names: Sequence[str],
        pieces: Sequence[int],
        asked: Sequence[int],
    ) -> None:
        self._ids, self._asked, self._pixels = ids, asked, names[0]
        found = {name: torch.as_tensor(np.asarray(fields[name])) for name in names if name in fields}
        self._pictures = family.apart(found) if found else []
        self._tokens = {name: value for name, value in fields.items() if name not in found}
        self._firsts = list(accumulate(pieces, initial=0))
        assert len(self._pictures) == self._firsts[-1], "pieces of pictures that belong to no prompt"
        firsts, copies = repeated.distinct([one[self._pixels] for one in self._pictures])
        self._first_like = [firsts[place] for place in copies]

    def slices(self, size: int) -> Iterator[list[int]]:
        """Places in the window, each once, at most `size` together. The longest come first: what does not fit shows at once.
        Copies of a prompt stay side by side, so that the vision tower sees their picture once."""
        order = sorted(range(len(self._asked)), key=lambda place: -len(self._ids[self._asked[place]]))
        for first in range(0, len(order), size):
            yield order[first : first + size]

    def inputs(
        self, places: Sequence[int], *, pad: int, device: torch.device
    ) -> tuple[dict[str, torch.Tensor], list[int] | None]:
        """What a model is given of a slice: input_ids, attention_mask and whatever else has a number a token (B, L), padded on
        the left, and what belongs to its pictures, the pixels of each once. Then repeated.Copies.places; None without any."""
        prompts = [self._asked[place] for place in places]
        given = {
            "input_ids": _left([self._ids[prompt] for prompt in prompts], pad),
            "attention_mask": _left([[1] * len(self._ids[prompt]) for prompt in prompts], 0),
        }
        for name, rows in self._tokens.items():
            assert isinstance(rows, Sequence), f"{name}: not a list a prompt"
            given[name] = _left([rows[prompt] for prompt in prompts], 0)
        shown = [
            self._first_like[number]
            for prompt in prompts
            for number in range(self._firsts[prompt], self._firsts[prompt + 1])
        ]
        order = {number: n for n, number in enumerate(dict.fromkeys(shown))}
        for name in self._pictures[shown[0]] if shown else ():
            given[name] = torch.cat(
                [self._pictures[number][name] for number in (order if name == self._pixels else shown)]
            )
        on_device = {name: tensor.to(device) for name, tensor in given.items()}
        return on_device, [order[number] for number in shown] if shown else None


def _left(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([[value] * (width - len(row)) + list(row) for row in rows])
