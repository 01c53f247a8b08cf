"""Which parameters belong to which part, which parts train, and each part's learning rate.

The only table of parameter names. Prefixes are those of `Qwen2_5_VLForConditionalGeneration.named_parameters()`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from lingshu_train.model.shape import PARTS

_PREFIXES = (
    ("merger", "model.visual.merger."),
    ("vision_tower", "model.visual."),
    ("language_model", "model.language_model."),
    ("language_model", "lm_head."),
)


def part_of(name: str) -> str:
    """The part a parameter belongs to. An unknown name is our mistake, not the user's: the table is then wrong."""
    for part, prefix in _PREFIXES:
        if name.startswith(prefix):
            return part
    raise AssertionError(f"parameter {name!r} belongs to no part; the table in model/parts.py is out of date")


def freeze_all_but(model: nn.Module, train: Sequence[str]) -> None:
    """Let the named parts train and freeze the rest. Gradients of frozen parameters are never computed."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) in train)


def optimizer_groups(
    model: nn.Module, *, learning_rate: Mapping[str, float], weight_decay: float
) -> list[dict[str, Any]]:
    """One group per trainable part and decay, in a fixed order. Biases and norms (1-D tensors) do not decay.

    Each group carries `part`, so that the ledger can name its learning rate.
    """
    groups = []
    for part in PARTS:
        trainable = [
            parameter
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and part_of(name) == part
        ]
        for decay in (True, False):
            # ds_shape is the full shape where ZeRO-3 has left this rank an empty shard.
            chosen = [p for p in trainable if (len(getattr(p, "ds_shape", p.shape)) > 1) == decay]
            if chosen:
                groups.append(
                    {
                        "params": chosen,
                        "lr": learning_rate[part],
                        "weight_decay": weight_decay * decay,
                        "part": part,
                    }
                )
    return groups


def counts(model: nn.Module) -> dict[str, int]:
    """Parameters per part as the model really has them; tied tensors once."""
    found = dict.fromkeys(PARTS, 0)
    for name, parameter in model.named_parameters():
        found[part_of(name)] += getattr(parameter, "ds_numel", parameter.numel())
    return found
