"""What lies on one process beside activations: weights, gradients, optimizer, buffers. Rules, from the sources named. No torch.

`estimate` tells it in a plan, `simulation` adds to it what one traced step takes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Literal

from lingshu_train import shipped
from lingshu_train.runs.cluster import Cluster
from lingshu_train.schema import Strict

FULL, LOW = 4, 2
"""Bytes of a number in float32, and in bfloat16."""
MOMENTS = 2 * FULL
"""Bytes a parameter of AdamW's two moments in float32."""
MOMENTS_8BIT = 2 * (1 + FULL / 256)
"""The same in 8 bits: a byte each, and a scale of float32 for 256 (Dettmers et al. 2022, block-wise quantization)."""
NF4 = 1 / 2 + 1 / 64 + 4 / (64 * 256)
"""Bytes of a weight in NF4: half, a scale of one byte for 64 weights, and one of four for 256 of these scales (Dettmers et al.
2023)."""
BUCKET = 500_000_000
"""Gradients that DeepSpeed reduces at once where its settings name no other number (runtime/zero/config.py)."""
LIVE = 1_000_000_000
"""Parameters that ZeRO-3 keeps whole at most before it frees some (runtime/zero/config.py: stage3_max_live_parameters)."""

Offload = Literal["none", "optimizer", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The parameters of one stage's model, by what becomes of them.

    `trainable` have gradients, adapters counted; `frozen` have none and `packed` of these lie in 4 bits. `adapted`: something
    trains through an adapter. `cast`: of the trainable ones the weights of linear layers, which mixed precision copies.
    `largest`: numbers in the largest tensor.
    """

    trainable: int
    frozen: int
    packed: int
    adapted: bool
    cast: int
    largest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """How a stage's state is kept and divided. `level` 0 is no DeepSpeed; `low` a forward pass in bfloat16.

    `whole_sums`: gradients are added up in float32 though they arrive in bfloat16. `overlap`: reductions run beside the
    backward pass, which takes a second bucket.
    """

    level: int
    world: int
    low: bool
    bucket: int = BUCKET
    whole_sums: bool = True
    overlap: bool = False
    offload: Offload = "none"
    moments: float = MOMENTS

    def changed(self, **values: object) -> Division:
        return replace(self, **values)  # type: ignore[arg-type]


class States(Strict):
    """Bytes on one process. `step` is there while the optimizer moves and no activation is, the rest while a batch passes.
    `host` lies in the machine's memory, of this one process."""

    weights: int
    copies: int
    gradients: int
    optimizer: int
    buffers: int
    gathered: int
    step: int
    host: int

    @property
    def lasting(self) -> int:
        """What a process keeps whatever the batch: weights and their copies, gradients, optimizer."""
        return self.weights + self.copies + self.gradients + self.optimizer


def division(cluster: Cluster, *, world: int, low: bool) -> Division:
    """As the cluster block and `launch/deepspeed/LEVEL.json` say."""
    if not cluster.divides(world):
        return Division(level=0, world=world, low=low)
    return at_level(int(cluster.deepspeed[-1]), world=world, low=low).changed(offload=cluster.offload)


def at_level(level: int, *, world: int, low: bool) -> Division:
    """DeepSpeed at a level, with the settings that this project gives it."""
    path = shipped.folder("launch") / "deepspeed" / f"zero{level}.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    zero = settings["zero_optimization"]
    return Division(
        level=level,
        world=world,
        low=low,
        bucket=int(zero.get("reduce_bucket_size", BUCKET)),
        whole_sums=not low or settings.get("data_types", {}).get("grad_accum_dtype") == "fp32",
        overlap=bool(zero.get("overlap_comm", level == 3)),
    )


def of(parameters: Parameters, how: Division) -> States:
    """What one process holds. See docs/simulate.md for the rules in words."""
    return _divided(parameters, how) if how.level else _alone(parameters, how)


def _alone(parameters: Parameters, how: Division) -> States:
    """Without DeepSpeed: float32, and autocast's bfloat16 copies of what trains; beside an adapter the rest is in bfloat16
    (training/session.py). DistributedDataParallel keeps a second copy of the gradients, in its buckets
    (torch/nn/parallel/distributed.py: gradient_as_bucket_view is off)."""
    number = parameters
    each = LOW if how.low and number.adapted else FULL
    frozen = (number.frozen - number.packed) * each + number.packed * NF4
    return States(
        weights=int(frozen + FULL * number.trainable),
        copies=LOW * number.cast if how.low else 0,
        gradients=FULL * number.trainable,
        optimizer=int(how.moments * number.trainable),
        buffers=FULL * number.trainable if how.world > 1 else 0,
        gathered=0,
        step=0,
        host=0,
    )


def _divided(parameters: Parameters, how: Division) -> States:
    """DeepSpeed 0.19: runtime/zero/stage_1_and_2.py and stage3.py.

    All weights are in the format of the forward pass; a rank's share of the optimizer has a master in float32 beside the
    moments. ZeRO-1 keeps every gradient, in float32 where sums are whole (runtime/bf16_optimizer.py: those in the low format
    go as they are made, what is exchanged is flattened in buckets, and the step reads the sums where they lie). ZeRO-2 keeps a
    rank's share, in float32 where sums are whole (_build_compact_grad_partition_buffer), ZeRO-3 the same in
    grad_partitions_flat_buffer, and a share of the weights. Buckets are allocated whole, whatever the model's size. The step
    copies a share of the gradients to float32.
    """
    number, world = parameters, how.world
    each = LOW if how.low else FULL
    sums = FULL if how.whole_sums else each
    share = number.trainable / world
    weights = each * (number.trainable + number.frozen)
    masters, moments = FULL * share, how.moments * share
    gradients = sums * (share if how.level >= 2 else number.trainable)
    summed = how.level == 1 and how.low and how.whole_sums and how.offload == "none"
    gathered = 0
    host = 0.0
    if how.level == 3:
        gathered = each * min(LIVE + number.largest, number.trainable + number.frozen)
        weights = int(weights / world)
    if how.offload != "none":
        # The masters, the moments and the gradients that the step reads go to the host (cpu_offload).
        host = masters + moments + FULL * share
        masters = moments = 0.0
        gradients = 0.0 if how.level >= 2 else gradients
    if how.offload == "all" and how.level == 3:
        host += weights
        weights = 0
    return States(
        weights=int(weights),
        copies=0,
        gradients=int(gradients),
        optimizer=int(masters + moments),
        buffers=int(min(sums * how.bucket, gradients))
        if summed
        else each * how.bucket * (2 if how.overlap else 1),
        gathered=int(gathered),
        step=0
        if how.offload != "none" or summed
        else int(FULL * (share if how.level < 3 else min(share, LIVE))),
        host=int(host),
    )
