"""Windows of the vision tower in one call: upstream's features and gradients, to the bit."""

from __future__ import annotations

import families
import pytest
import torch
from families import Kit
from torch import nn
from transformers import PreTrainedModel

from lingshu_train.model import load
from lingshu_train.model.families import _sdpa_windows as windows

GRIDS = {
    "one window": [(1, 4, 4)],
    "windows of four lengths": [(1, 20, 12)],
    "equal windows": [(1, 16, 16)],
    "pictures of several sizes": [(1, 10, 18), (1, 2, 2), (1, 10, 18), (1, 16, 8)],
}


@pytest.fixture(scope="module", params=["qwen2_5_vl", "qwen3_vl"])
def qwen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return families.make(request.param, tmp_path_factory.mktemp("windows"))


def opened(kit: Kit) -> tuple[PreTrainedModel, PreTrainedModel]:
    ours = load.model(kit.family, str(kit.source), dtype="float32", attention=windows.SDPA)
    plain = kit.family.architecture.from_pretrained(kit.source, attn_implementation=windows.SDPA)
    return ours, plain


def seen(kit: Kit, model: PreTrainedModel, grids: list[tuple[int, int, int]]) -> list[torch.Tensor]:
    """The features of made-up pixels, and the gradient of every parameter of the tower."""
    draws = torch.Generator().manual_seed(1)
    vision = model.config.vision_config
    width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    pixels = torch.randn(sum(t * h * w for t, h, w in grids), width, generator=draws)
    became = kit.family.each(model.model.get_image_features(pixels, torch.tensor(grids)))
    features = torch.cat([one for picture in became for one in picture])
    (features * torch.randn(features.shape, generator=draws)).sum().backward()
    return [features.detach(), *(one.grad for one in model.model.visual.parameters())]


@pytest.mark.parametrize("grids", GRIDS.values(), ids=GRIDS)
def test_features_and_gradients_are_upstreams_to_the_bit(
    qwen: Kit, grids: list[tuple[int, int, int]]
) -> None:
    ours, plain = opened(qwen)
    for found, expected in zip(seen(qwen, ours, grids), seen(qwen, plain, grids), strict=True):
        assert torch.equal(found, expected)


def test_each_layer_asks_once_for_each_length(qwen: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, plain = opened(qwen)
    calls: list[torch.Size] = []
    once = nn.functional.scaled_dot_product_attention

    def counted(query: torch.Tensor, *rest: object, **more: object) -> torch.Tensor:
        calls.append(query.shape)
        return once(query, *rest, **more)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", counted)
    grids = [(1, 16, 16), (1, 16, 16)]
    seen(qwen, ours, grids)
    found, calls[:] = len(calls), []
    seen(qwen, plain, grids)
    depth = ours.config.vision_config.depth
    whole = len(
        set(getattr(ours.config.vision_config, "fullatt_block_indexes", range(depth))) & {*range(depth)}
    )
    assert found == depth
    assert len(calls) == 32 * (depth - whole) + 2 * whole, "windows of 4 x 4 patches"
