"""Attention of Qwen's vision towers: windows of one length in one call, where upstream calls once for each.

In Qwen2.5-VL a picture of 1,280 tokens has 80 windows, so that a tower of 28 layers is 2,240 calls; in Qwen3-VL a picture is
one window, and pictures of one size go together. No number changes, to the bit. Only for `sdpa`: flash attention takes
windows of any length at once, and `eager` multiplies several windows in another order.
"""

from __future__ import annotations

from types import MethodType

import torch
from transformers import PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VLVisionAttention,
    apply_rotary_pos_emb_vision,
)
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionAttention

SDPA = "sdpa"


def together(model: PreTrainedModel) -> None:
    """In all layers of the tower of a model that was loaded for `sdpa`."""
    if model.model.visual.config._attn_implementation != SDPA:
        return
    for module in model.model.visual.modules():
        if isinstance(module, (Qwen2_5_VLVisionAttention, Qwen3VLVisionAttention)):
            module.forward = MethodType(_forward, module)


def _forward(
    self: Qwen2_5_VLVisionAttention | Qwen3VLVisionAttention,
    hidden_states: torch.Tensor,
    cu_seqlens: torch.Tensor,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    **kwargs: object,
) -> torch.Tensor:
    """`hidden_states` (P, width); `cu_seqlens` (windows + 1,): where each window begins, and the end of the last."""
    size = len(hidden_states)
    query, key, value = self.qkv(hidden_states).view(size, 3, self.num_heads, -1).unbind(1)
    query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
    groups = _by_length(cu_seqlens)
    seen = []
    for rows in groups:
        # (windows, heads, length, width of a head)
        some = [_taken(one, rows, alone=len(groups) == 1).transpose(1, 2) for one in (query, key, value)]
        found, _ = sdpa_attention_forward(
            self,
            *some,
            attention_mask=None,
            scaling=self.scaling,
            dropout=self.attention_dropout if self.training else 0.0,
            is_causal=False,
        )
        seen.append(found.reshape(rows.numel(), -1))
    whole = torch.cat(seen)
    if len(groups) > 1:
        whole = whole[torch.cat([rows.flatten() for rows in groups]).argsort()]
    out: torch.Tensor = self.proj(whole)
    return out


def _taken(values: torch.Tensor, rows: torch.Tensor, *, alone: bool) -> torch.Tensor:
    """`values` (P, ...) by window: (windows, length, ...). Windows of one length `alone` lie in order already."""
    return values.reshape(*rows.shape, *values.shape[1:]) if alone else values[rows]


def _by_length(cu_seqlens: torch.Tensor) -> list[torch.Tensor]:
    """Rows of the windows of each length: (windows, length) each."""
    starts, lengths = cu_seqlens[:-1], cu_seqlens.diff()
    return [
        starts[lengths == length][:, None] + torch.arange(length, device=starts.device)
        for length in sorted(set(lengths.tolist()) - {0})
    ]
