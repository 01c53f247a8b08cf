"""Windows of the vision tower in one call: upstream's features and gradients, to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_model
import torch
from torch import nn
from transformers import PreTrainedModel, Qwen2_5_VLForConditionalGeneration

from lingshu_train.model import family, load
from lingshu_train.model.families.qwen2_5_vl import windows

GRIDS = {
    "one window": [(1, 4, 4)],
    "windows of four lengths": [(1, 20, 12)],
    "equal windows": [(1, 16, 16)],
    "pictures of several sizes": [(1, 10, 18), (1, 2, 2), (1, 10, 18), (1, 16, 8)],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.build(tmp_path_factory.mktemp("windows"))


def opened(folder: Path) -> tuple[PreTrainedModel, PreTrainedModel]:
    ours = load.model(
        family.of(tiny_model.SETTINGS.family), str(folder), dtype="float32", attention=windows.SDPA
    )
    plain = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, attn_implementation=windows.SDPA)
    return ours, plain


def seen(model: PreTrainedModel, grids: list[tuple[int, int, int]]) -> list[torch.Tensor]:
    """The features of made-up pixels, and the gradient of every parameter of the tower."""
    draws = torch.Generator().manual_seed(1)
    vision = model.config.vision_config
    width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    pixels = torch.randn(sum(t * h * w for t, h, w in grids), width, generator=draws)
    features = torch.cat(model.model.get_image_features(pixels, torch.tensor(grids)).pooler_output)
    (features * torch.randn(features.shape, generator=draws)).sum().backward()
    return [features.detach(), *(one.grad for one in model.model.visual.parameters())]


@pytest.mark.parametrize("grids", GRIDS.values(), ids=GRIDS)
def test_features_and_gradients_are_upstreams_to_the_bit(
    folder: Path, grids: list[tuple[int, int, int]]
) -> None:
    ours, plain = opened(folder)
    for found, expected in zip(seen(ours, grids), seen(plain, grids), strict=True):
        assert torch.equal(found, expected)


def test_each_layer_asks_once_for_each_length(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, plain = opened(folder)
    calls: list[torch.Size] = []
    once = nn.functional.scaled_dot_product_attention

    def counted(query: torch.Tensor, *rest: object, **more: object) -> torch.Tensor:
        calls.append(query.shape)
        return once(query, *rest, **more)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", counted)
    grids = [(1, 16, 16), (1, 16, 16)]
    seen(ours, grids)
    found, calls[:] = len(calls), []
    seen(plain, grids)
    depth = ours.config.vision_config.depth
    whole = len(set(ours.config.vision_config.fullatt_block_indexes) & set(range(depth)))
    assert found == depth
    assert len(calls) == 32 * (depth - whole) + 2 * whole, "windows of 4 x 4 patches"
