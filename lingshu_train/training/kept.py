"""What a checkpoint of any layout keeps of each parameter that trains: its float32 weight and its two moments, by its name.

torch writes each of them whole; DeepSpeed writes ranges of flat tensors, in a file for each rank. Files are mapped and not
read, so that a rank that needs a part of every parameter reads that part.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lingshu_train.errors import LingshuError

WEIGHT, FIRST, SECOND = KEYS = ("weight", "exp_avg", "exp_avg_sq")
"""A parameter's numbers, and AdamW's moments of them as torch names them."""
_RANK = re.compile(r"zero_pp_rank_(\d+)_mp_rank_00_optim_states\.pt$")
_SHAPES = "zero_pp_rank_0_mp_rank_00_model_states.pt"
"""Written under ZeRO-3 alone: how the divided parameters look whole."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The numbers `begin` to `end` of a flattened parameter, each of KEYS a 1-D tensor of as many."""

    begin: int
    end: int
    values: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Kept:
    """`pieces` of each parameter in order and without gaps, `rates` the learning rate of each parameter group, `step` the
    optimizer's own count."""

    pieces: Mapping[str, tuple[Piece, ...]]
    rates: tuple[float, ...]
    step: int

    def size(self, name: str) -> int:
        """How many numbers a parameter has; 0 of one that is not kept."""
        found = self.pieces.get(name)
        return found[-1].end if found else 0

    def copy(self, name: str, key: str, begin: int, out: Tensor) -> None:
        """The numbers from `begin` on of one of KEYS of a flattened parameter into `out` (1-D, any device)."""
        end = begin + out.numel()
        for piece in self.pieces[name]:
            first, last = max(begin, piece.begin), min(end, piece.end)
            if first < last:
                found = piece.values[key].narrow(0, first - piece.begin, last - first)
                out.narrow(0, first - begin, last - first).copy_(found)


def of_torch(folder: Path, *, names: Sequence[str], weights: Mapping[str, Tensor]) -> Kept:
    """Of a stage that nothing divided. `names` of its parameters in the optimizer's order, `weights` by name, whole."""
    saved = _opened(folder / "optimizer.pt")
    state: Mapping[int, Mapping[str, Tensor]] = saved["state"]
    numbers = [number for group in saved["param_groups"] for number in group["params"]]
    if len(numbers) != len(names) or (missing := set(numbers) - set(state)):
        told = f"{len(numbers)} parameters, and {len(names)} train" if len(numbers) != len(names) else missing
        raise LingshuError(f"{folder}: its optimizer is not of this stage: {told}")
    pieces = {}
    for name, number in zip(names, numbers, strict=True):
        values = {WEIGHT: weights[name], FIRST: state[number][FIRST], SECOND: state[number][SECOND]}
        flat = {key: value.reshape(-1) for key, value in values.items()}
        pieces[name] = (Piece(0, flat[WEIGHT].numel(), flat),)
    return Kept(pieces, _rates(saved), int(state[numbers[0]]["step"]))


def of_deepspeed(folder: Path) -> Kept:
    """Of a stage that DeepSpeed divided, at any level and on any number of ranks."""
    inside = folder / (folder / "latest").read_text(encoding="utf-8").strip()
    files = {int(number[1]): path for path in inside.iterdir() if (number := _RANK.search(path.name))}
    ranks = [_opened(files[rank])["optimizer_state_dict"] for rank in range(len(files))]
    shapes = inside / _SHAPES
    if shapes.is_file():
        whole = [group.items() for group in _opened(shapes)["param_shapes"]]
        sizes = {name: math.prod(shape) for group in whole for name, shape in group}
        base = ranks[0]["optimizer_state_dict"]
        parts = [list(_weights_divided(rank, sizes, n, len(ranks))) for n, rank in enumerate(ranks)]
    else:
        base = ranks[0]["base_optimizer_state"]
        parts = [list(_state_divided(rank)) for rank in ranks]
    return Kept(_pieces(parts), _rates(base), int(next(iter(base["state"].values()))["step"]))


def _pieces(parts: Sequence[Sequence[_Part]]) -> dict[str, tuple[Piece, ...]]:
    """The parts of all ranks, rank by rank, as pieces of parameters."""
    found: dict[str, list[Piece]] = {}
    for part in (one for rank in parts for one in rank):
        known = found.setdefault(part.name, [])
        begin = known[-1].end if known else 0
        values = {key: part.flat[key].narrow(0, part.at, part.numel) for key in KEYS}
        known.append(Piece(begin, begin + part.numel, values))
    return {name: tuple(pieces) for name, pieces in found.items()}


@dataclass(frozen=True, slots=True)
class _Part:
    """What a rank's flat tensors hold of a parameter: `numel` numbers from `at` on, which go on where the last rank's end."""

    name: str
    at: int
    numel: int
    flat: Mapping[str, Tensor]


def _state_divided(saved: Mapping[str, Any]) -> Iterator[_Part]:
    """ZeRO-1 and 2: the parameters of a group lie one after another, and each rank has an equal share of the group."""
    state = saved["base_optimizer_state"]["state"]
    for n, held in enumerate(saved["param_slice_mappings"]):
        flat = {WEIGHT: saved["single_partition_of_fp32_groups"][n], **_moments(state[n])}
        for name, place in held.items():
            yield _Part(name, place.start, place.numel, flat)


def _weights_divided(
    saved: Mapping[str, Any], sizes: Mapping[str, int], rank: int, ranks: int
) -> Iterator[_Part]:
    """ZeRO-3: each rank has an equal share of each parameter, the last one filled up; flat tensors hold some shares each."""
    state = saved["optimizer_state_dict"]["state"]
    flats = iter(enumerate(saved["fp32_flat_groups"]))
    at, flat = 0, {WEIGHT: torch.empty(0)}
    for name, size in sizes.items():
        share = -(-size // ranks)
        while at + share > flat[WEIGHT].numel():
            n, weights = next(flats)
            at, flat = 0, {WEIGHT: weights, **_moments(state[n])}
        if (numel := min(share, size - rank * share)) > 0:
            yield _Part(name, at, numel, flat)
        at += share


def _moments(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {FIRST: state[FIRST], SECOND: state[SECOND]}


def _rates(saved: Mapping[str, Any]) -> tuple[float, ...]:
    return tuple(float(group["lr"]) for group in saved["param_groups"])


def _opened(path: Path) -> Any:
    """A torch file, mapped. Beside tensors it may hold what DeepSpeed is known to write, and nothing else: it runs no code."""
    from deepspeed.runtime.fp16.loss_scaler import LossScaler
    from deepspeed.runtime.zero.config import ZeroStageEnum
    from deepspeed.utils.tensor_fragment import fragment_address

    with torch.serialization.safe_globals([LossScaler, ZeroStageEnum, fragment_address]):
        return torch.load(path, map_location="cpu", mmap=True, weights_only=True)
