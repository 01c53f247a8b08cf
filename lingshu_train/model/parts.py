"""Which parameters belong to which part, which parts train, and each part's learning rate."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypedDict

import torch
from torch import nn

from lingshu_train.model.family import Family
from lingshu_train.model.shape import PARTS, Part

_ADDED = re.compile(r"\.lora_[AB]\.|\.modules_to_save\.")
"""What peft adds to a model's parameters."""
_WRAPPED = "base_model.model."
"""How peft's names of a model with adapters begin; the model's own follow."""


class Group(TypedDict):
    """A parameter group of the optimizer. `part` lets the ledger name its learning rate."""

    params: list[nn.Parameter]
    lr: float
    weight_decay: float
    part: Part


def part_of(family: Family, name: str) -> Part:
    """The part a parameter belongs to. An unknown name is our mistake, not the user's: the table is then wrong."""
    name = name.removeprefix(_WRAPPED)
    for prefix, part in family.prefixes:
        if name.startswith(prefix):
            return part
    raise AssertionError(
        f"parameter {name!r} belongs to no part; the family's table of prefixes is out of date"
    )


def freeze_all_but(family: Family, model: nn.Module, train: Sequence[str]) -> None:
    """Let the named parts train and freeze the rest. Gradients of frozen parameters are never computed."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(family, name) in train)


def lower_frozen(model: nn.Module, dtype: torch.dtype) -> None:
    """Keep what does not train in the number format of the forward pass: it needs no master copy."""
    for parameter in model.parameters():
        if not parameter.requires_grad and parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)


def round_to(model: nn.Module, dtype: torch.dtype) -> None:
    """Give every weight the value that it has in another number format, and leave its own format."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype).to(parameter.dtype)


def optimizer_groups(
    family: Family, model: nn.Module, *, learning_rate: Mapping[str, float], weight_decay: float
) -> list[Group]:
    """One group per trainable part and decay, in a fixed order. Biases and norms (1-D tensors) do not decay."""
    groups: list[Group] = []
    for part in PARTS:
        trainable = [
            parameter
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and part_of(family, name) == part
        ]
        for decay in (True, False):
            chosen = [parameter for parameter in trainable if (len(whole_shape(parameter)) > 1) == decay]
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


def counts(family: Family, model: nn.Module) -> dict[Part, int]:
    """Parameters per part as the model really has them; tied tensors once, and no adapters."""
    found = dict.fromkeys(PARTS, 0)
    for name, parameter in model.named_parameters():
        if not _ADDED.search(name):
            found[part_of(family, name)] += whole_shape(parameter).numel()
    return found


def whole_shape(parameter: nn.Parameter) -> torch.Size:
    """Its shape before anything divided or packed it: under ZeRO-3 a rank has an empty shard, and in 4 bits two numbers are a
    byte."""
    state = getattr(parameter, "quant_state", None)
    found: torch.Size = state.shape if state is not None else getattr(parameter, "ds_shape", parameter.shape)
    return found
