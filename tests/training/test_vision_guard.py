"""The guard of the vision tower by itself, in every family: what it runs, in which order, and that it changes no bit."""

from __future__ import annotations

import pytest
import torch
from families import Batch, Kit, gradients
from transformers import PreTrainedModel

from lingshu_train.model import parts
from lingshu_train.model.shape import PARTS

pytestmark = pytest.mark.slow


@pytest.fixture
def batches(kit: Kit) -> dict[str, Batch]:
    return kit.batches()


def order_of_modules(model: PreTrainedModel, batch: Batch) -> list[str]:
    """Names of the modules with parameters, in the order in which a forward pass runs them."""
    names: list[str] = []
    for name, module in model.named_modules():
        if next(module.parameters(recurse=False), None) is not None:
            module.register_forward_pre_hook(lambda *_, name=name: names.append(name))
    model(**batch, use_cache=False)
    return names


def seeing(kit: Kit, model: PreTrainedModel) -> set[str]:
    """Modules with parameters that are not the language model's."""
    return {
        name.rpartition(".")[0]
        for name, _ in model.named_parameters()
        if parts.part_of(kit.family, name) != "language_model"
    }


@pytest.mark.parametrize("kind", ["text", "pictures", "both"])
def test_the_guard_changes_no_bit_of_loss_and_gradients(
    kind: str, kit: Kit, batches: dict[str, Batch]
) -> None:
    batch = batches[kind]
    plain, guarded = kit.model(*PARTS), kit.model(*PARTS, sharded=False)
    with torch.no_grad():
        assert torch.equal(plain(**batch).loss, guarded(**batch, use_cache=False).loss)
    expected, found = gradients(plain, [batch]), gradients(guarded, [batch])
    assert len(found) == len(list(guarded.parameters())), "every parameter has a gradient"
    for name, gradient in found.items():
        assert torch.equal(gradient, expected.get(name, torch.zeros_like(gradient))), name
    if kind == "text":
        new = found.keys() - expected.keys()
        assert {parts.part_of(kit.family, name) for name in new} == {"vision_tower", "merger"}


def test_text_runs_the_modules_that_pictures_run_in_the_same_order(
    kit: Kit, batches: dict[str, Batch]
) -> None:
    """ZeRO-3 gathers parameters in the order seen before, on every rank alike."""
    model = kit.model()
    order = {kind: order_of_modules(kit.model(sharded=True), batch) for kind, batch in batches.items()}
    assert order["text"] == order["pictures"] == order["both"]
    # Some parameters belong to a module that others stand in for: a position added, a scale.
    assert seeing(kit, model) & set(order["text"])


def test_a_frozen_whole_tower_is_not_run_for_text_and_pixels_of_no_picture_are_dropped(
    kit: Kit, batches: dict[str, Batch]
) -> None:
    model = kit.model("language_model", sharded=False)
    nothing = {name: tensor[:0] for name, tensor in kit.family.blank(model).items()}
    names = order_of_modules(model, batches["text"] | nothing)
    assert names
    assert not seeing(kit, model) & set(names)


def test_generation_from_text_does_not_run_the_tower_and_from_pictures_runs_it_once(
    kit: Kit, batches: dict[str, Batch]
) -> None:
    for kind, expected in (("text", 0), ("pictures", 1)):
        model = kit.model(*PARTS, sharded=True).eval()
        runs: list[int] = []
        tower = next(name for name in sorted(seeing(kit, model)))
        model.get_submodule(tower).register_forward_pre_hook(lambda *_, runs=runs: runs.append(1))
        prompt = {name: value for name, value in batches[kind].items() if name != "labels"}
        model.generate(**prompt, max_new_tokens=3, do_sample=False, use_cache=True)
        assert len(runs) == expected, kind
