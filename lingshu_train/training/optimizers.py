"""Which optimizer a stage trains with. All are AdamW (Loshchilov and Hutter 2019), with moments in float32 or in 8 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from lingshu_train.training.config import Optimizer


def build(
    name: Optimizer,
    groups: Sequence[Mapping[str, Any]],
    *,
    betas: tuple[float, float],
    eps: float,
    fused: bool,
) -> torch.optim.Optimizer:
    """The optimizer over parameter groups, each with its `lr` and `weight_decay`. `fused`: in torch's own kernel, one pass
    over all parameters and no temporaries as large as they are; one in 8 bits has a kernel of its own."""
    own = [dict(group) for group in groups]
    if name == "adamw_8bit":
        from bitsandbytes import optim

        found: torch.optim.Optimizer = optim.AdamW8bit(own, betas=betas, eps=eps)  # type: ignore[attr-defined, no-untyped-call]
        return found
    return torch.optim.AdamW(own, betas=betas, eps=eps, fused=fused)


def with_every_gradient(optimizer: torch.optim.Optimizer) -> None:
    """Have each step of an optimizer that nothing divides take what no gradient reached for a gradient of zero.

    So in a step of text alone the moments of a vision tower age and move it, as DeepSpeed's flat tensors do, where torch would
    pass it by. A step without any gradient is none.
    """

    def fill(one: torch.optim.Optimizer, *_: object) -> None:
        every = [parameter for group in one.param_groups for parameter in group["params"]]
        if any(parameter.grad is not None for parameter in every):
            for parameter in every:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)

    optimizer.register_step_pre_hook(fill)
