"""What a pass of one micro-batch came to, and what decides how it goes. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lingshu_train.model.settings import Settings
from lingshu_train.training.config import TrainingConfig

Maker = Literal["vision", "text", "head", "rest"]
"""Who made a storage, or did an operation: the tower, the language model, the output head and loss."""
Phase = Literal["begin", "vision", "text", "head", "text_back", "vision_back"]
PHASES: tuple[Phase, ...] = ("begin", "vision", "text", "head", "text_back", "vision_back")
GRADIENTS, COPIES = "gradients_", "copies_"
"""Before a maker: the gradients that its parameters have by then, and weights of its own in another number format."""
BACK, AGAIN = "_back", "_again"
"""After a maker: operations of the backward pass, and those of the forward pass that are done again in it (checkpointing)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """Bytes by phase and by who made them, operations by phase, of one micro-batch. Values need not be whole: they may be
    extrapolated."""

    peaks: Mapping[Phase, Mapping[str, float]]
    with_gradients: Mapping[Phase, Mapping[str, float]]
    saved: Mapping[str, float]
    flops: Mapping[str, float]
    pixel_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What of a stage decides how a pass goes: its model, what trains, and whether DeepSpeed divides it (which makes every
    weight bfloat16). `learns`: a backward pass follows. `on_gpu` puts GPU kernels in the place of a CPU's."""

    settings: Settings
    config: TrainingConfig
    divided: bool
    learns: bool = True
    on_gpu: bool = True
