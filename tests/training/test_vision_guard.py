"""The guard of the vision tower by itself: what it runs, in which order, and that it changes no bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from test_stock_defects import Kit, gradients

from lingshu_train.model import parts, vision_guard

pytestmark = pytest.mark.slow


@pytest.fixture
def batches(base: Path, tmp_path: Path) -> dict[str, dict[str, torch.Tensor]]:
    """A batch of text and one of pictures, as the collator makes them."""
    source = base / "base" / "model"
    tiny.draw_corpus(tmp_path / "data", seen=lambda n: n % 2 == 0)
    stage = tiny.make_stage(tmp_path, "sft", tiny.sft(), parents={"data": tmp_path / "data"})
    rows = tiny.rows(stage, source)
    text = tiny.processor(source)
    collator = Kit(stage=stage, source=source, rows=rows, text=text).collator(fresh(base))
    data = rows.dataset(system="", with_completion=True)
    found = {}
    for name, wanted in (("text", False), ("pictures", True)):
        chosen = [row for row, sample in enumerate(tiny.samples(rows)) if bool(sample.images) == wanted][:2]
        found[name] = collator([data[row] for row in chosen])
    return found


def fresh(base: Path, *train: str, sharded: bool | None = None) -> Any:
    """The tiny model; guarded where `sharded` is given."""
    model = tiny.model(base / "base" / "model")
    parts.freeze_all_but(tiny.FAMILY, model, train)
    if sharded is not None:
        vision_guard.install(tiny.FAMILY, model, sharded=sharded)
    return model


def order_of_modules(model: Any, batch: dict[str, torch.Tensor]) -> list[str]:
    """Names of the modules with parameters, in the order in which a forward pass runs them."""
    names: list[str] = []
    for name, module in model.named_modules():
        if next(module.parameters(recurse=False), None) is not None:
            module.register_forward_pre_hook(lambda *_, name=name: names.append(name))
    model(**batch, use_cache=False)
    return names


def test_a_batch_of_text_has_token_types_and_no_pixels(batches: dict[str, dict[str, torch.Tensor]]) -> None:
    assert "pixel_values" not in batches["text"]
    assert not batches["text"]["mm_token_type_ids"].any()
    assert batches["pictures"]["mm_token_type_ids"].any()


@pytest.mark.parametrize("kind", ["text", "pictures"])
def test_the_guard_changes_no_bit_of_loss_and_gradients(
    kind: str, base: Path, batches: dict[str, dict[str, torch.Tensor]]
) -> None:
    batch = batches[kind]
    plain, guarded = fresh(base, *tiny.ALL_PARTS), fresh(base, *tiny.ALL_PARTS, sharded=False)
    with torch.no_grad():
        assert torch.equal(plain(**batch).loss, guarded(**batch, use_cache=False).loss)
    expected, found = gradients(plain, [batch]), gradients(guarded, [batch])
    assert len(found) == len(list(guarded.parameters())), "every parameter has a gradient"
    for name, gradient in found.items():
        assert torch.equal(gradient, expected.get(name, torch.zeros_like(gradient))), name
    if kind == "text":
        assert {parts.part_of(tiny.FAMILY, name) for name in found.keys() - expected.keys()} == {
            "vision_tower",
            "merger",
        }


def test_text_runs_the_modules_that_pictures_run_in_the_same_order(
    base: Path, batches: dict[str, dict[str, torch.Tensor]]
) -> None:
    """ZeRO-3 gathers parameters in the order seen before, on every rank alike."""
    order = {kind: order_of_modules(fresh(base, sharded=True), batch) for kind, batch in batches.items()}
    assert order["text"] == order["pictures"]
    assert any("visual" in name for name in order["text"])


def test_a_frozen_whole_tower_is_not_run_for_text_and_pixels_of_no_picture_are_dropped(
    base: Path, batches: dict[str, dict[str, torch.Tensor]]
) -> None:
    text = batches["text"]
    nothing = {"pixel_values": torch.zeros(0, 1176), "image_grid_thw": torch.zeros(0, 3, dtype=torch.long)}
    names = order_of_modules(fresh(base, "language_model", sharded=False), text | nothing)
    assert names
    assert not any("visual" in name for name in names)


def test_generation_from_text_does_not_run_the_tower(
    base: Path, batches: dict[str, dict[str, torch.Tensor]]
) -> None:
    model = fresh(base, *tiny.ALL_PARTS, sharded=True).eval()
    runs: list[int] = []
    model.model.visual.register_forward_pre_hook(lambda *_: runs.append(1))
    prompt = {name: batches["text"][name] for name in ("input_ids", "attention_mask", "mm_token_type_ids")}
    model.generate(**prompt, max_new_tokens=3, do_sample=False, use_cache=True)
    assert not runs
