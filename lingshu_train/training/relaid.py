"""A checkpoint of one layout put into a trainer of another: other ranks, another level of ZeRO, or none.

Every parameter that trains gets the float32 weight and the moments that it had, to the bit; what follows sums in another order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn

from lingshu_train import dist
from lingshu_train.errors import LingshuError
from lingshu_train.model import load, parts
from lingshu_train.model.family import Family
from lingshu_train.training import adapters, kept
from lingshu_train.training.kept import FIRST, KEYS, SECOND, WEIGHT, Kept


def read(folder: Path, model: nn.Module, family: Family, *, names: Sequence[str], divided: bool) -> Kept:
    """What a checkpoint keeps of the parameters `names`, which the optimizer has in this order; `divided`: by DeepSpeed.

    LingshuError (70): it is of other parameters.
    """
    if divided:
        found = kept.of_deepspeed(folder)
    else:
        found = kept.of_torch(folder, names=names, weights=_weights(folder, model, family, names))
    sizes = {name: parts.whole_shape(one).numel() for name, one in model.named_parameters()}
    wrong = sorted(set(found.pieces) ^ set(names))
    wrong += [name for name in names if name in found.pieces and found.size(name) != sizes[name]]
    if wrong:
        raise LingshuError(
            f"{folder}: keeps other parameters than this stage trains, {wrong[0]} among them; nothing was trained"
        )
    return found


def _weights(folder: Path, model: nn.Module, family: Family, names: Sequence[str]) -> Mapping[str, Tensor]:
    """The weights of an undivided checkpoint, in float32, by the names of the model in memory."""
    if not isinstance(model, PeftModel):
        with adapters.undivided():
            return load.strict_state(family, folder, model, dtype="float32")
    saved = adapters.read(folder)
    return {name: saved[adapters.saved_name(name)] for name in names}


@torch.no_grad()
def put_into_torch(found: Kept, optimizer: Any, named: Mapping[str, nn.Parameter]) -> None:
    """Into whole parameters, `named` in the optimizer's order, and into their optimizer."""
    state = {}
    for number, (name, parameter) in enumerate(named.items()):
        values = {key: torch.empty_like(parameter, dtype=torch.float32) for key in KEYS}
        for key, value in values.items():
            found.copy(name, key, 0, value.view(-1))
        parameter.copy_(values[WEIGHT])
        state[number] = {"step": torch.tensor(float(found.step)), **_moments(values)}
    groups = optimizer.state_dict()["param_groups"]
    for group, rate in zip(groups, found.rates, strict=True):
        group["lr"] = rate
    optimizer.load_state_dict({"state": state, "param_groups": groups})


@torch.no_grad()
def put_into_deepspeed(found: Kept, engine: Any, *, step: int) -> None:
    """Into this rank's shares of a DeepSpeed engine. Collective: the weights of the forward pass are gathered from them."""
    held = engine.optimizer
    third = hasattr(held, "fp32_partitioned_groups_flat")
    places = _weights_divided(held) if third else _state_divided(held)
    for group, rate in zip(held.optimizer.param_groups, found.rates, strict=True):
        group["lr"] = rate
    for flat, shares in places:
        values = {key: torch.zeros_like(flat, dtype=torch.float32, requires_grad=False) for key in KEYS}
        for share in shares:
            for key, value in values.items():
                found.copy(share.name, key, share.begin, value.narrow(0, share.at, share.numel))
        flat.data.copy_(values[WEIGHT])
        fused = held.optimizer.param_groups[0].get("fused") or held.optimizer.param_groups[0].get(
            "capturable"
        )
        step_of = torch.tensor(float(found.step), device=flat.device if fused else "cpu")
        held.optimizer.state[flat] = {"step": step_of, **_moments(values)}
    if third:
        # Its own way from masters to weights, and to the small parameters that every rank keeps whole.
        ranks = dist.place().world_size
        held.load_state_dict([held.state_dict()] * ranks, load_optimizer_states=False)
        held.checkpoint_event_epilogue()
    else:
        held.update_lp_params()
    engine.global_steps = step


def _moments(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {FIRST: values[FIRST], SECOND: values[SECOND]}


@dataclass(frozen=True, slots=True)
class _Share:
    """Of parameter `name`, the numbers from `begin` on lie from `at` on in a flat tensor of this rank."""

    name: str
    begin: int
    at: int
    numel: int


def _state_divided(held: Any) -> Iterator[tuple[Tensor, list[_Share]]]:
    """ZeRO-1 and 2: each flat tensor of this rank, and what lies in it."""
    low = hasattr(held, "bf16_groups")
    groups = held.bf16_groups if low else held.bit16_groups
    flats = held.fp32_groups_flat_partition if low else held.single_partition_of_fp32_groups
    for flat, group in zip(flats, groups, strict=True):
        places = [(held.param_names[one], one._hp_mapping) for one in group if one._hp_mapping is not None]
        yield (
            flat,
            [
                _Share(name, of.lp_fragment_address.start, at.start, at.numel)
                for name, of in places
                for at in [of.get_hp_fragment_address()]
            ],
        )


def _weights_divided(held: Any) -> Iterator[tuple[Tensor, list[_Share]]]:
    """ZeRO-3: the same."""
    rank = dist.place().rank
    for flat, group in zip(held.fp32_partitioned_groups_flat, held.fp16_groups, strict=True):
        shares, at = [], 0
        for one in group:
            share = int(one.ds_tensor.ds_numel)
            numel = min(share, int(one.ds_numel) - rank * share)
            if numel > 0:
                shares.append(_Share(held.param_names[one], rank * share, at, numel))
            at += share
        yield flat, shares
