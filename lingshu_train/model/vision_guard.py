"""Batches without pictures: the vision tower takes part in them, and has no say.

Ranks train together only while each runs the same modules. Where one rank's batch has pictures and another's has none,
the gradients of the vision tower (DDP, ZeRO-1, ZeRO-2) or its parameters (ZeRO-3) are asked of a rank that does not run
it: an error, wrong sums, or a wait without end (ms-swift#3213, DeepSpeed#7170). And where no rank has pictures, a tower
without gradients is passed over by the optimizer on one layout and moved by its momentum on another.
"""

from __future__ import annotations

from typing import Any

import torch


def install(model: Any, *, sharded: bool) -> None:
    """Guard each forward pass of a Qwen2.5-VL but those of generation, which keep a cache.

    Where the tower or its merger trains, or `sharded` says that ranks hold parts of its parameters, it runs in every
    batch. In one without pictures it gets the smallest legal picture (one merged token, all zeros), and none of what
    comes out enters the text: the loss is the same to the bit, the tower's gradients are exactly zero, and its modules
    run in the order in which they run for pictures, on which ZeRO-3's gathering relies. Elsewhere such a batch passes
    the tower by, also where it carries pixels of no picture (0, 1176), as TRL's division of a mixed batch leaves them.
    """
    inner = model.model
    features = inner.get_image_features
    everywhere = sharded or any(parameter.requires_grad for parameter in inner.visual.parameters())
    vision = inner.config.vision_config
    width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    side = vision.spatial_merge_size

    def without_pictures(_: Any, args: Any, inputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        pixels = inputs.get("pixel_values")
        if inputs.get("past_key_values") is not None or (pixels is not None and len(pixels)):
            return args, inputs
        none: dict[str, Any] = {"pixel_values": None, "image_grid_thw": None}
        if everywhere:
            device = inputs["input_ids"].device
            none["pixel_values"] = torch.zeros(0, width, device=device)
            none["image_grid_thw"] = torch.zeros(0, 3, dtype=torch.long, device=device)
        return args, inputs | none

    def image_features(pixel_values: Any, image_grid_thw: Any = None, **kwargs: Any) -> Any:
        if len(pixel_values):
            return features(pixel_values, image_grid_thw, **kwargs)
        found = features(
            pixel_values.new_zeros(side * side, width), image_grid_thw.new_tensor([[1, side, side]]), **kwargs
        )
        found.pooler_output = tuple(tokens[:0] for tokens in found.pooler_output)
        return found

    inner.register_forward_pre_hook(without_pictures, with_kwargs=True)
    inner.get_image_features = image_features
