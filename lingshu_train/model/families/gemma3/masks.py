"""Masks of samples that lie end to end in one row.

In a picture every token sees every other. In layers with a window transformers 5.23 looks up which picture a token belongs to
by its place in its sample, where its place in the row is meant: in all samples of a row but the first, tokens of pictures then
see earlier ones alone, or those of another picture (tests/training/test_stock_defects_of_families.py). Here both masks are made
beforehand. A batch with an attention mask, and generation, go on as they are.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedModel

Inputs = dict[str, object]
PICTURE = 1
"""The token type of what stands for a picture."""


def mend(model: PreTrainedModel) -> None:
    """In every forward pass of a loaded model, and in nothing that is saved."""
    text = model.config.get_text_config()
    window = int(text.sliding_window)

    def laid(_: nn.Module, args: tuple[object, ...], inputs: Inputs) -> tuple[tuple[object, ...], Inputs]:
        places, types = inputs.get("position_ids"), inputs.get("token_type_ids")
        made = inputs.get("attention_mask"), inputs.get("past_key_values")
        if (
            made != (None, None)
            or not isinstance(places, torch.Tensor)
            or not isinstance(types, torch.Tensor)
        ):
            return args, inputs
        whole, near = seen(places, types, window=window)
        if text._attn_implementation == "eager":
            whole, near = (_added(mask, model.dtype) for mask in (whole, near))
        return args, inputs | {"attention_mask": {"full_attention": whole, "sliding_attention": near}}

    model.model.register_forward_pre_hook(laid, with_kwargs=True)


def seen(places: torch.Tensor, types: torch.Tensor, *, window: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Which tokens each token sees, (B, 1, N, N) bool: in layers that see all, and in those with a `window` of tokens.

    `places` (B, N) begin anew with every sample, `types` (B, N) are PICTURE for tokens of pictures, of which two do not touch.
    """
    number = torch.arange(places.shape[1], device=places.device)
    sample = _runs(places[:, 1:] - places[:, :-1] != 1)
    shown = types == PICTURE
    picture = _runs(shown[:, 1:] != shown[:, :-1])
    together = shown[:, :, None] & (picture[:, :, None] == picture[:, None, :])
    before = number[:, None] >= number[None, :]
    whole = (sample[:, :, None] == sample[:, None, :]) & (before | together)
    near = whole & (number[:, None] - number[None, :] < window)
    return whole[:, None], near[:, None]


def _runs(changes: torch.Tensor) -> torch.Tensor:
    """`changes` (B, N - 1) from a token to the next, as the number (B, N) of the run that each belongs to."""
    return nn.functional.pad(changes.int().cumsum(dim=1), (1, 0))


def _added(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """As `eager` takes it: added to the scores."""
    least = torch.finfo(dtype).min
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, least)
