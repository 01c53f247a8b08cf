"""A picture that stands several times in a batch goes through the vision tower once: GRPO asks a prompt many times."""

from __future__ import annotations

from functools import wraps

import torch
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from lingshu_train.model.family import Family


def once(family: Family, model: PreTrainedModel) -> None:
    """Every copy then has the tokens of the first, and hands its gradient on to them: sums are taken in another order, so
    that the last bits differ from those of a tower that sees every copy.

    What counts as a copy is equal in every pixel. A family that cannot take pictures apart leaves all as it is.
    """
    inner = model.model
    features = inner.get_image_features
    names = tuple(family.blank(model))

    # `generate` looks up in the signature which inputs belong to the pictures.
    @wraps(features)
    def image_features(*args: torch.Tensor, **kwargs: object) -> BaseModelOutputWithPooling:
        given = kwargs | dict(zip(names, args, strict=False))
        tensors = {name: tensor for name in names if isinstance(tensor := given[name], torch.Tensor)}
        pictures = family.apart(tensors)
        firsts, copies = _distinct([one[names[0]] for one in pictures])
        if len(firsts) == len(copies):
            return features(**given)
        distinct = {name: torch.cat([pictures[i][name] for i in firsts]) for name in tensors}
        found = features(**given | distinct)
        family.repeat(found, copies)
        return found

    inner.get_image_features = image_features


def _distinct(pixels: list[torch.Tensor]) -> tuple[list[int], list[int]]:
    """Numbers of the pictures that are the first of their kind, and of each picture the place among these."""
    if len(pixels) < 2:
        return list(range(len(pixels))), list(range(len(pixels)))
    firsts: list[int] = []
    copies: list[int] = []
    known: dict[tuple[int, float], list[int]] = {}
    # One wait for the device, whatever the number of pictures.
    sums = torch.stack([one.double().sum() for one in pixels]).tolist()
    for number, (one, total) in enumerate(zip(pixels, sums, strict=True)):
        alike = known.setdefault((len(one), total), [])
        place = next((place for place in alike if torch.equal(pixels[firsts[place]], one)), None)
        if place is None:
            place = len(firsts)
            firsts.append(number)
            alike.append(place)
        copies.append(place)
    return firsts, copies
