"""`cluster.deterministic` switches torch to kernels that sum in one order, on GPUs alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
import torch

from lingshu_train.errors import RecipeError
from lingshu_train.model.settings import Settings
from lingshu_train.planning import recipe
from lingshu_train.stages import _kinds as kinds
from lingshu_train.training import arguments


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(False)
    cudnn.deterministic, cudnn.benchmark = before


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("asked", [False, True])
def test_only_kernels_of_one_order_where_a_gpu_was_asked_for_them(
    device: str, asked: bool, tmp_path: Path
) -> None:
    made = tiny.make_stage(tmp_path, "sft", tiny.sft(), parents={})
    cluster = made.cluster.model_copy(update={"device": device, "deterministic": asked})
    stage = made.model_copy(update={"cluster": cluster})
    config = kinds.read(stage.config, where="stages.sft")
    arguments.shared(stage, config, Settings.model_validate(stage.model), steps=12, accumulation=1)
    wanted = asked and device == "cuda"
    assert torch.are_deterministic_algorithms_enabled() == wanted
    # As a warning only, the backward passes of torch's attention sum in any order.
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    if wanted:
        assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark


def test_an_attention_that_sums_in_any_order_is_refused_when_planned() -> None:
    flash = "model.attention=flash_attention_2"
    assert recipe.load("quickstart", [flash]).model.attention == "flash_attention_2"
    with pytest.raises(
        RecipeError, match=r"cluster\.deterministic: model\.attention=flash_attention_2.*=sdpa"
    ):
        recipe.load("quickstart", [flash, "cluster.deterministic=true"])
