"""Keys and values of a call of `generate`, in memory that is reserved once.

transformers' own cache lays all of a layer's keys and values into new memory for each token: at 7B, 64 rows and 2,000 tokens
that moves 15 GB a token, as much as the weights are. Its static cache reserves too, and then attends to what is not written
yet. This one hands out what is written, so that every number stays.
"""

from __future__ import annotations

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer


class Reserved(DynamicLayer):  # type: ignore[misc]
    """A layer's keys and values (B, heads, tokens, head dimension), of at most `most` tokens."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What is written by now, with these."""
        start = self.get_seq_length()
        if not start:
            self.lazy_initialization(key_states, value_states)
            self._kept = [self._room(key_states), self._room(value_states)]
        end = start + key_states.shape[-2]
        for kept, states in zip(self._kept, (key_states, value_states), strict=True):
            kept[:, :, start:end] = states
        self.keys, self.values = (kept[:, :, :end] for kept in self._kept)
        return self.keys, self.values

    def _room(self, states: torch.Tensor) -> torch.Tensor:
        rows, heads, _, width = states.shape
        return states.new_empty(rows, heads, self._most, width)


def reserved(model: PreTrainedModel, most: int) -> DynamicCache:
    """For prompts and what is written, of at most `most` tokens. Layers that attend to a window of tokens keep that window
    alone, as upstream does."""
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    cache.layers = [Reserved(most) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
