"""Attention over samples that lie end to end in one row: each by itself, where `sdpa` would mask all pairs of tokens.

transformers 5.23 makes of such a row a dense mask of (tokens, tokens), which costs memory and time by the square of the row
(benchmarks/packed_attention.py). Here the mask is the borders alone, (1, 1, 1, tokens), and the attention of every layer is
split at them. What is not laid end to end goes to `sdpa` as it is, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

SDPA = "sdpa"
BY_SAMPLE = "sdpa_by_sample"
"""The name that transformers knows it by."""

_last: tuple[torch.Tensor, list[int]] | None = None
"""The borders of the row that is being computed, and the lengths between them: asked of the device once, not in each layer."""


def by_sample(model: PreTrainedModel) -> None:
    """In the language model of a model that was loaded for `sdpa`, and in nothing that is saved."""
    text = model.config.get_text_config()
    if text._attn_implementation != SDPA:
        return
    AttentionInterface.register(BY_SAMPLE, _forward)
    AttentionMaskInterface.register(BY_SAMPLE, _mask)
    name = next((name for name in model.config.sub_configs if getattr(model.config, name) is text), None)
    model.set_attn_implementation(BY_SAMPLE if name is None else {name: BY_SAMPLE})


def lengths(borders: torch.Tensor) -> list[int]:
    """Tokens of the samples of a row, in order. `borders` (1, 1, 1, N): true at the first token of each."""
    global _last
    if _last is None or _last[0] is not borders:
        starts = borders.flatten().nonzero().flatten()
        ends = torch.cat([starts[1:], starts.new_tensor([borders.numel()])])
        _last = (borders, (ends - starts).tolist())
    return _last[1]


def _mask(
    *,
    batch_size: int,
    q_length: int,
    kv_length: int,
    mask_function: Callable[..., torch.Tensor],
    **others: Any,
) -> torch.Tensor | None:
    """What `sdpa` takes, but for one row of samples laid end to end their borders.

    That a row is one is what transformers found in its position ids: it then forbids to leave out the mask, and asks for no
    mask of anybody's own.
    """
    asked = others.get("attention_mask") is not None or others.get("use_vmap") or "local_size" in others
    laid = batch_size == 1 and not asked and not others.get("allow_is_causal_skip", True)
    if not laid or q_length != kv_length or kv_length == 1:
        sizes = {"batch_size": batch_size, "q_length": q_length, "kv_length": kv_length}
        dense: torch.Tensor | None = sdpa_mask(**sizes, mask_function=mask_function, **others)
        return dense
    places = torch.arange(q_length, device=others["device"])
    none = torch.zeros_like(places)
    first = torch.ones(1, dtype=torch.bool, device=places.device)
    # A token that may not look at the one before it begins a sample.
    apart = ~mask_function(none[1:], none[1:], places[1:], places[:-1])
    return torch.cat([first, apart])[None, None, None]


def _forward(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **how: Any,
) -> tuple[torch.Tensor, None]:
    """`query` (B, heads, N, width), `key` and `value` of as many or fewer heads; out (B, N, heads, width)."""
    if attention_mask is None or attention_mask.shape[2] == query.shape[2]:
        found: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, **how
        )
        return found
    each = lengths(attention_mask)
    # Not slices: each of their gradients would be as long as the row.
    parts = zip(*(torch.split(one, each, dim=2) for one in (query, key, value)), strict=True)
    seen = [sdpa_attention_forward(module, *part, None, **{**how, "is_causal": True})[0] for part in parts]
    return torch.cat(seen, dim=1), None
