"""Adapters by themselves, in every family: where they sit, how they start, what is refused, and that merging changes nothing."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from families import Batch, Kit, gradients
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn

from lingshu_train.errors import DataError, RecipeError
from lingshu_train.model import parts, vision_guard
from lingshu_train.model.shape import PARTS
from lingshu_train.training import adapters, lora

pytestmark = pytest.mark.slow

TRAIN = lora.read({"language_model": {"lora": {"rank": 4}}, "merger": "full"})
TOLERANCE = 1e-5
"""Largest difference of logits: float32 sums in another order."""


def adapted(kit: Kit, train: lora.Train = TRAIN, *, seed: int = 0, low: bool = False) -> PeftModel:
    """A model as a stage trains it, guard included."""
    model = kit.model(*lora.whole(train))
    if low:
        parts.lower_frozen(model, torch.bfloat16)
    wanted = adapters.config(kit.family, model, train, where="stages.x.train")
    assert wanted is not None
    found = get_peft_model(model, wanted)
    adapters.begin(found, seed=seed, base="base/model", revision="", masters=True, low=low)
    vision_guard.install(kit.family, adapters.base_of(found), sharded=False)
    return found.eval()


def moved(model: PeftModel) -> PeftModel:
    """As after some training: everything that trains is somewhere else."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn(parameter.shape, generator=draw)
    return model


@torch.no_grad()
def logits(model: nn.Module, batch: Batch) -> torch.Tensor:
    found: torch.Tensor = model(**batch, use_cache=False).logits
    return found


def saved(model: PeftModel, folder: Path) -> Path:
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("part", PARTS)
def test_an_adapter_sits_on_the_layers_of_its_part_alone(part: str, kit: Kit) -> None:
    """Parts share names of layers: a suffix such as `down_proj` would fit those of the vision tower as well."""
    plain = kit.model()
    expected = {
        name
        for name, module in plain.named_modules()
        if isinstance(module, nn.Linear)
        and module is not plain.get_output_embeddings()
        and parts.part_of(kit.family, f"{name}.") == part
    }
    if not expected:
        # Gemma 3's merger is a bare parameter.
        with pytest.raises(RecipeError, match=f"{part} has no linear layer"):
            adapted(kit, lora.read({part: {"lora": {"rank": 2}}}))
        return
    model = adapted(kit, lora.read({part: {"lora": {"rank": 2}}}))
    assert {
        name for name, module in adapters.base_of(model).named_modules() if hasattr(module, "lora_A")
    } == expected
    trains = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert {parts.part_of(kit.family, name) for name in trains} == {part}
    assert all(".lora_" in name for name in trains)


def test_the_layers_that_a_shape_tells_are_those_of_its_model(kit: Kit) -> None:
    model = kit.model()
    told, found = kit.settings.shape.linear(), adapters.linear_layers(kit.family, model)
    for part, layers in told.items():
        for end, one in layers.items():
            fit = [model.get_submodule(name) for name in found[part] if name.endswith(f".{end}")]
            assert len(fit) == one.times, (part, end)
            assert sum(layer.weight.numel() for layer in fit) == one.weights
        assert sum(one.times for one in layers.values()) == len(found[part])


def test_every_part_has_its_own_rank(kit: Kit) -> None:
    train = lora.read(
        {"vision_tower": {"lora": {"rank": 2, "alpha": 3}}, "language_model": {"lora": {"rank": 5}}}
    )
    model = adapters.base_of(adapted(kit, train))
    found = {
        (parts.part_of(kit.family, f"{name}."), module.r["default"], module.scaling["default"])
        for name, module in model.named_modules()
        if hasattr(module, "lora_A")
    }
    assert found == {("vision_tower", 2, 1.5), ("language_model", 5, 2.0)}


def test_a_start_is_a_function_of_the_seed_alone(kit: Kit) -> None:
    torch.manual_seed(1)
    one = adapted(kit, seed=7).state_dict()
    torch.manual_seed(2)
    again, other = adapted(kit, seed=7).state_dict(), adapted(kit, seed=8).state_dict()
    drawn = [name for name in one if ".lora_A." in name]
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in drawn)
    assert len({tuple(one[name].flatten()[:4].tolist()) for name in drawn}) == len(drawn) > 1
    assert not any(one[name].any() for name in one if ".lora_B." in name)


def test_what_trains_is_float32_and_what_is_frozen_is_bfloat16(kit: Kit) -> None:
    model = adapted(kit, low=True)
    kinds = {(parameter.requires_grad, parameter.dtype) for parameter in model.parameters()}
    assert kinds == {(True, torch.float32), (False, torch.bfloat16)}


def test_with_adapters_off_it_is_the_model_that_training_started_from(kit: Kit) -> None:
    """What GRPO takes as its reference: the part that trains whole must not have moved in it either."""
    batch = kit.batches()["both"]
    model = moved(adapted(kit))
    start = logits(kit.model(), batch)
    assert (logits(model, batch) - start).abs().max() > 0.01
    with model.disable_adapter():
        assert torch.equal(logits(model, batch), start)


def test_merged_it_answers_as_it_did_and_plain_peft_opens_what_was_saved(kit: Kit, tmp_path: Path) -> None:
    batch = kit.batches()["both"]
    model = moved(adapted(kit))
    before, folder = logits(model, batch), saved(model, tmp_path)
    opened = PeftModel.from_pretrained(kit.model(), folder).eval()
    assert torch.equal(logits(opened, batch), before)
    merged = adapters.merged(kit.model(), folder)
    assert not any("lora" in name or "modules_to_save" in name for name in merged.state_dict())
    assert merged.state_dict().keys() == kit.model().state_dict().keys()
    assert (logits(merged.eval(), batch) - before).abs().max() < TOLERANCE


def test_packs_have_the_gradients_of_padded_rows(kit: Kit) -> None:
    padded, packs = kit.batches(), kit.batches(packing=True)
    model = moved(adapted(kit))
    expected, found = gradients(model, [padded["both"]]), gradients(model, [packs["both"]])
    assert found.keys() == expected.keys() != set()
    for name, gradient in found.items():
        assert torch.allclose(gradient, expected[name], rtol=1e-4, atol=1e-6), name


def test_all_that_trains_has_a_gradient_and_nothing_else(kit: Kit) -> None:
    model = moved(adapted(kit))
    batches = kit.batches()
    found = gradients(model, [batches["text"], batches["pictures"]])
    assert found.keys() == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all(gradient.any() for gradient in found.values())


def without(state: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize("fault", ["missing", "unexpected", "of another shape"])
def test_an_adapter_that_does_not_fit_is_refused(fault: str, kit: Kit, tmp_path: Path) -> None:
    """plain peft takes the first and says nothing: the layer stays as it was drawn (R2)."""
    folder = saved(moved(adapted(kit)), tmp_path)
    path = folder / adapters.WEIGHTS
    state = load_file(path)
    name = next(name for name in sorted(state) if "lora_B" in name)
    changed = {
        "missing": without(state, name),
        "unexpected": {**state, f"{name}.more": torch.zeros(1)},
        "of another shape": {**state, name: state[name][:, :1].contiguous()},
    }[fault]
    save_file(changed, path)
    if fault == "missing":
        silent = PeftModel.from_pretrained(kit.model(), folder)
        assert isinstance(silent, PeftModel)
    fresh = adapted(kit)
    before = copy.deepcopy(fresh.state_dict())
    with pytest.raises(DataError, match=f"is not the adapter of this stage: .*{fault}"):
        adapters.load(fresh, folder)
    assert all(torch.equal(before[key], value) for key, value in fresh.state_dict().items())


def test_a_tensor_that_was_not_loaded_is_told(kit: Kit, tmp_path: Path) -> None:
    model = moved(adapted(kit))
    folder = saved(model, tmp_path)
    assert adapters.unlike(model, folder) == []
    name, parameter = next((n, p) for n, p in model.named_parameters() if ".lora_B." in n)
    nn.init.zeros_(parameter)
    assert adapters.unlike(model, folder) == [name.replace(".default", "")]


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / adapters.WEIGHTS).write_bytes(b"no tensors")
    with pytest.raises(DataError, match="cannot be read"):
        adapters.read(tmp_path)


@pytest.mark.parametrize(
    ("train", "line"),
    [
        (
            {"language_model": {"lora": {"rank": 2, "targets": ["query"]}}},
            "no linear layer of language_model is called 'query'",
        ),
        (
            {"merger": {"lora": {"rank": 2, "targets": ["o_proj"]}}},
            "no linear layer of merger is called 'o_proj'|merger has no linear layer",
        ),
        (
            {"language_model": {"lora": {"rank": 2, "targets": ["lm_head"]}}},
            "the output head takes no adapter",
        ),
    ],
)
def test_a_target_that_the_model_does_not_have_is_refused(train: Any, line: str, kit: Kit) -> None:
    with pytest.raises(RecipeError, match=line):
        adapters.config(kit.family, kit.model(), lora.read(train), where="stages.x.train")
