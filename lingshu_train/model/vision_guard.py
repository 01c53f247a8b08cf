"""Batches without pictures: the vision tower takes part in them, and has no say.

Ranks train together only while each runs the same modules. Where one rank's batch has pictures and another's has none,
the gradients of the vision tower (DDP, ZeRO-1, ZeRO-2) or its parameters (ZeRO-3) are asked of a rank that does not run
it: an error, wrong sums, or a wait without end (ms-swift#3213, DeepSpeed#7170). And where no rank has pictures, a tower
without gradients is passed over by the optimizer on one layout and moved by its momentum on another.
"""

from __future__ import annotations

from functools import wraps

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from lingshu_train.model import parts
from lingshu_train.model.family import Family

Inputs = dict[str, object]
"""What a forward pass is given by name: tensors, a cache, flags."""


def install(family: Family, model: PreTrainedModel, *, sharded: bool) -> None:
    """Guard each forward pass but those of generation, which keep a cache.

    Where the tower or its merger trains, or `sharded` says that ranks hold parts of its parameters, it runs in every
    batch. In one without pictures it gets the family's blank picture, and none of what comes out enters the text: the loss
    is the same to the bit, the tower's gradients are exactly zero, and its modules run in the order in which they run for
    pictures, on which ZeRO-3's gathering relies. Elsewhere such a batch passes the tower by, also where it carries pixels
    of no picture, (0, ...), as TRL's division of a mixed batch leaves them.
    """
    inner = model.model
    features = inner.get_image_features
    everywhere = sharded or any(
        parameter.requires_grad and parts.part_of(family, name) != "language_model"
        for name, parameter in model.named_parameters()
    )
    blank = family.blank(model)
    names = tuple(blank)

    def without_pictures(
        _: nn.Module, args: tuple[object, ...], inputs: Inputs
    ) -> tuple[tuple[object, ...], Inputs]:
        pixels = inputs.get(names[0])
        if inputs.get("past_key_values") is not None or (isinstance(pixels, torch.Tensor) and len(pixels)):
            return args, inputs
        none: Inputs = dict.fromkeys(names)
        if everywhere:
            ids = inputs["input_ids"]
            assert isinstance(ids, torch.Tensor)
            none |= {name: tensor[:0].to(ids.device) for name, tensor in blank.items()}
        return args, inputs | none

    # `generate` looks up in the signature which inputs belong to the pictures.
    @wraps(features)
    def image_features(*args: torch.Tensor, **kwargs: object) -> BaseModelOutputWithPooling:
        given = kwargs | dict(zip(names, args, strict=False))
        none = {name: tensor for name in names if isinstance(tensor := given[name], torch.Tensor)}
        if len(none[names[0]]):
            return features(**given)
        found = features(**given | {name: blank[name].to(like) for name, like in none.items()})
        family.drop_tokens(found)
        return found

    inner.register_forward_pre_hook(without_pictures, with_kwargs=True)
    inner.get_image_features = image_features
