"""Copies of a picture go through the tower once, in every family: the same tokens, and the gradient of all copies."""

from __future__ import annotations

import pytest
import torch
from families import Batch, Kit, gradients
from torch import nn
from transformers import PreTrainedModel

from lingshu_train.model import repeated
from lingshu_train.model.shape import PARTS

pytestmark = pytest.mark.slow


def several(kit: Kit, batch: Batch, times: int) -> Batch:
    """A batch with each of its rows and pictures `times` times, as GRPO repeats a prompt."""
    pictures = set(kit.family.blank(kit.model()))
    parts = kit.family.apart({name: tensor for name, tensor in batch.items() if name in pictures})
    rows = {
        name: tensor.repeat_interleave(times, dim=0) for name, tensor in batch.items() if name not in pictures
    }
    tower = {name: torch.cat([one[name] for one in parts for _ in range(times)]) for name in parts[0]}
    return rows | tower


def seen_by(model: PreTrainedModel, names: tuple[str, ...]) -> list[int]:
    """Filled with the number of rows that reach the features, at each call."""
    found: list[int] = []
    inner = model.model.get_image_features

    def counted(*args: torch.Tensor, **given: object) -> object:
        pixels = args[0] if args else given[names[0]]
        assert isinstance(pixels, torch.Tensor)
        found.append(len(pixels))
        return inner(*args, **given)

    model.model.get_image_features = counted
    return found


def test_loss_and_gradients_are_those_of_a_tower_that_sees_every_copy(kit: Kit) -> None:
    batch = several(kit, kit.batches()["pictures"], 3)
    plain, spared = kit.model(*PARTS), kit.model(*PARTS)
    names = tuple(kit.family.blank(plain))
    every, some = seen_by(plain, names), seen_by(spared, names)
    repeated.once(kit.family, spared)
    expected, found = gradients(plain, [batch]), gradients(spared, [batch])
    assert some == [every[0] // 3]
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, rtol=1e-4, atol=1e-6), name


def test_pictures_that_differ_in_one_pixel_are_two(kit: Kit) -> None:
    batch = several(kit, kit.batches()["pictures"], 2)
    model = kit.model(*PARTS)
    names = tuple(kit.family.blank(model))
    pixels = names[0]
    changed = batch | {pixels: batch[pixels].clone()}
    # Two values change places, so that the sum stays.
    flat = changed[pixels][0].flatten()
    other = int((flat != flat[0]).nonzero()[0])
    flat[[0, other]] = flat[[other, 0]]
    changed[pixels][0] = flat.view_as(changed[pixels][0])
    seen = seen_by(model, names)
    repeated.once(kit.family, model)
    with torch.no_grad():
        first = model(**changed).logits
        assert torch.allclose(first, kit.model(*PARTS)(**changed).logits, rtol=1e-4, atol=1e-5)
    assert nn.functional.l1_loss(first, model(**batch).logits) > 0
    assert seen[0] > seen[1]
