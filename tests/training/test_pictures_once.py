"""A window's pictures are kept once, and where nothing trains that sees them, they go through the tower once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny
import torch
from PIL import Image

from lingshu_train.model import repeated
from lingshu_train.runs import ledger
from lingshu_train.stages.grpo import pictures, prompted, updates
from lingshu_train.stages.grpo.run import ExactGRPOTrainer

pytestmark = pytest.mark.slow

FROZEN: dict[str, Any] = {"train": ["language_model"], "learning_rate": {"language_model": 2e-3}}
CLOSE = ("loss", "grad_norm", "kl", "entropy", "reward")

Run = tuple[list[dict[str, Any]], list[int], list[int]]


@pytest.fixture
def trained(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Runs a stage of two windows; gives its ledger, and of each window the pictures kept and those the tower saw."""

    def run(name: str, **changes: Any) -> Run:
        kept: list[int] = []
        seen: list[int] = []
        divide, features = ExactGRPOTrainer._divide, repeated.once

        def divided(self: Any, window: Any) -> Any:
            found = divide(self, window)
            kept.append(len(self._pictures.distinct))
            assert not any("pixel_values" in part for part in found)
            return found

        def counted(family: Any, model: Any, *told: Any) -> None:
            inner = model.model.get_image_features

            def count(*args: Any, **given: Any) -> Any:
                grids = given["image_grid_thw"] if "image_grid_thw" in given else args[1]
                seen.append(len(grids))
                return inner(*args, **given)

            model.model.get_image_features = count
            count.__wrapped__ = inner
            features(family, model, *told)

        with monkeypatch.context() as patched:
            patched.setattr(ExactGRPOTrainer, "_divide", divided)
            patched.setattr(repeated, "once", counted)
            config = tiny.grpo(steps=4, save_every=4, per_device_batch=4, kl_coefficient=0.1, **changes)
            parents = {each: base / each for each in ("short", "warm")}
            stage = tiny.make_stage(tmp_path, name, config, parents=parents)
            tiny.run_here(stage)
        return ledger.steps(stage.path), kept, seen

    return run


def test_a_picture_goes_through_a_frozen_tower_once_a_window_and_the_numbers_are_those_of_every_pass(
    trained: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    once, kept, seen = trained("once", **FROZEN)
    assert len(kept) == 2
    assert sum(seen) == sum(kept), "drawing, old policy, reference and update together"
    with monkeypatch.context() as patched:
        patched.setattr(repeated, "stays", lambda family, model: False)
        every, _, more = trained("every", **FROZEN)
    assert sum(more) > 4 * sum(seen)
    for ours, theirs in zip(once, every, strict=True):
        for name in CLOSE:
            if name in theirs:
                assert ours[name] == pytest.approx(theirs[name], rel=1e-6, abs=1e-7), name


def test_a_tower_that_trains_sees_the_pictures_of_every_pass(trained: Callable[..., Run]) -> None:
    _, kept, seen = trained("trains")
    assert sum(seen) > 4 * sum(kept)


def test_a_window_s_pictures_are_found_again_at_its_places() -> None:
    pixels, grids = torch.arange(24.0).view(12, 2), torch.tensor([[1, 2, 2]] * 3)
    pixels[8:] = pixels[:4]
    window: Any = {"pixel_values": pixels, "image_grid_thw": grids, "num_images": [1, 0, 2]}
    found = pictures.of_window(tiny.FAMILY, window, ("pixel_values", "image_grid_thw"))
    assert found is not None and len(found.distinct) == 2
    assert found.shown == [[0], [], [1, 0]]
    part = found.at([2, 1])
    assert part["num_images"] == [2, 0]
    assert torch.equal(part["pixel_values"], pixels[4:])
    assert found.at([1]) == {"num_images": [0]}, "text alone has no pixels, also beside rows that have some"


def test_a_pass_holds_the_pixels_of_each_picture_once_and_says_where_it_stands() -> None:
    pixels, grids = torch.arange(24.0).view(12, 2), torch.tensor([[1, 2, 2], [1, 1, 4], [1, 2, 2]])
    window: Any = {"pixel_values": pixels, "image_grid_thw": grids, "num_images": [1, 0, 2]}
    found = pictures.of_window(tiny.FAMILY, window, ("pixel_values", "image_grid_thw"))
    assert found is not None
    part = found.once_at([2, 1, 2, 0], "pixel_values")
    assert torch.equal(part["pixel_values"], torch.cat([pixels[4:], pixels[:4]]))
    assert torch.equal(part["image_grid_thw"], grids[[1, 2, 1, 2, 0]])
    assert part["copies"] == [0, 1, 0, 1, 2] and part["num_images"] == [2, 0, 2, 1]
    assert "copies" not in found.once_at([1], "pixel_values")


def test_copies_of_a_prompt_are_prepared_once_and_all_comes_out_as_if_each_were(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the processor makes of a window in which two prompts of different sizes, and one of text alone, stand in turns."""
    text = tiny.processor(base / "warm/model")
    grey, wide, bright = (
        Image.new("RGB", size, (n, 0, 9)) for n, size in enumerate([(64, 64), (96, 64), (64, 64)])
    )
    shown = [[grey], [], [wide, bright]]
    asked = [
        [
            {
                "role": "user",
                "content": [*({"type": "image"} for _ in some), {"type": "text", "text": "How many?"}],
            }
        ]
        for some in shown
    ]
    order = [0, 2, 0, 1, 2, 2]
    said = [text.apply_chat_template(asked[n], add_generation_prompt=True) for n in order]
    how: Any = {"images": [shown[n] for n in order], "text": said, "padding": True, "return_tensors": "pt"}
    expected = text(**how)
    trainer = SimpleNamespace(processing_class=text)
    calls: list[int] = []
    whole = type(text)._process_images
    monkeypatch.setattr(
        type(text),
        "_process_images",
        lambda self, images, **k: (calls.append(len(images)), whole(self, images, **k))[1],
    )
    with prompted.once(trainer, tiny.FAMILY, ("pixel_values", "image_grid_thw"), lambda ids, count: count):
        found = trainer.processing_class(**how)
        assert trainer.processing_class.image_token == text.image_token
    assert trainer.processing_class is text
    assert calls == [3]
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_pictures_that_differ_only_where_nobody_looked_first_are_two() -> None:
    whole = torch.zeros(100, 40)
    other, same = whole.clone(), whole.clone()
    other[50, 3] = 1.0
    assert torch.equal(repeated._looked_at(whole), repeated._looked_at(other)), "not what is to be shown"
    assert repeated.distinct([whole, other, same, torch.zeros(50, 80)]) == ([0, 1, 3], [0, 1, 0, 2])


def test_pictures_of_a_window_stay_on_the_host_until_a_pass_shows_them() -> None:
    """On the device, which here is torch's meta, upstream would have a copy of each for each completion."""

    class Trainer(updates.Divided):
        _picture_inputs = ("pixel_values", "image_grid_thw")
        is_deepspeed_enabled = False

        def __init__(self) -> None:
            self.args = SimpleNamespace(device=torch.device("meta"))

    trainer = Trainer()
    window = {
        "pixel_values": torch.ones(8, 2),
        "image_grid_thw": torch.tensor([[1, 2, 2]] * 2),
        "mm_token_type_ids": torch.zeros(2, 3),
    }
    prepared = trainer._prepare_input(window)
    assert [str(prepared[name].device) for name in window] == ["cpu", "cpu", "meta"]
    kept = pictures.of_window(tiny.FAMILY, {**prepared, "num_images": [1, 1]}, Trainer._picture_inputs)
    assert kept is not None and len(kept.distinct) == 1
    part = trainer.shown(kept, [1, 0])
    assert [str(part[name].device) for name in Trainer._picture_inputs] == ["meta", "meta"]
    assert part["pixel_values"].shape == (4, 2) and part["num_images"] == [1, 1]


def test_columns_that_are_padding_in_every_row_go() -> None:
    prompt = torch.tensor([[0, 0, 1, 1], [0, 0, 0, 1]])
    completion = torch.tensor([[1, 1, 0], [1, 0, 0]])
    batch = {
        "prompt_ids": prompt * 7,
        "prompt_mask": prompt,
        "completion_ids": completion * 9,
        "completion_mask": completion,
        "mm_token_type_ids": torch.arange(14).view(2, 7),
        "advantages": torch.zeros(2),
    }
    found = updates.trimmed(batch)
    assert found["prompt_ids"].tolist() == [[7, 7], [0, 7]]
    assert found["completion_ids"].tolist() == [[9, 9], [9, 0]]
    assert found["mm_token_type_ids"].tolist() == [[2, 3, 4, 5], [9, 10, 11, 12]]
    nothing = updates.trimmed(batch | {"completion_mask": completion * 0})
    assert nothing["completion_ids"].shape == (2, 1)
