"""Every variant of GRPO that a recipe of `recipes/with/` makes runs, and goes on from a checkpoint to the same bits."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
import yaml
from layouts import LORA

from lingshu_train import shipped
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.stages import _kinds as kinds
from lingshu_train.stages.grpo.config import Config
from lingshu_train.stages.grpo.dynamic import taken_from

pytestmark = pytest.mark.slow

NAMES = ("dr_grpo", "dapo", "gspo", "cispo", "no_kl", "pair")
SHAPE: dict[str, Any] = {"steps": 4, "save_every": 2, "per_device_batch": 8}


def variant(name: str) -> dict[str, Any]:
    """What the recipe changes, with the bounds of a tiny model: eight tokens a completion."""
    text = (shipped.folder("recipes") / "with" / f"{name}.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["stages"]["rl"]
    for term in found.get("rewards", {}).get("terms", []):
        if "margin" in term.get("params", {}):
            term["params"]["margin"] = 4
    return found


def stage(base: Path, root: Path, name: str, changes: dict[str, Any]) -> Stage:
    parents = {each: base / each for each in ("short", "warm")}
    return tiny.make_stage(
        root, name, tiny.grpo(**{**SHAPE, "kl_coefficient": 0.04, **changes}), parents=parents
    )


@pytest.mark.parametrize("name", [*NAMES, "adapter"])
def test_it_runs_and_goes_on_to_the_same_bits(name: str, base: Path, tmp_path: Path) -> None:
    made = stage(base, tmp_path, "rl", LORA if name == "adapter" else variant(name))
    tiny.run_here(made)
    whole, weights = tiny.trajectory(made.path), tiny.weights(made.path)
    assert len(whole) == 4 and any(line["grad_norm"] for line in whole)
    shutil.rmtree(made.path / "checkpoints" / "step-00000004")
    shutil.rmtree(made.path / "model")
    tiny.run_here(made)
    assert tiny.trajectory(made.path) == whole
    assert tiny.weights(made.path) == weights


def test_dynamic_sampling_asks_on_counts_what_it_asked_and_trains_on_groups_with_spread(
    base: Path, tmp_path: Path
) -> None:
    """Three askings of eight prompts at most. What one window may ask, the next one does not."""
    made = stage(base, tmp_path, "rl", variant("dapo"))
    config = kinds.read(made.config, where="stages.rl")
    assert isinstance(config, Config)
    assert (config.draws, config.window_prompts) == (3, 24)
    tiny.run_here(made)
    lines = ledger.steps(made.path)
    for first in lines[::2]:
        assert first["prompts_asked"] in (8, 16, 24)
        assert first["groups_filled_up"] == 0 or first["prompts_asked"] == 24
    assert any(line["prompts_asked"] > 8 for line in lines), "there was something to ask on for"
    rows = tiny.rows(made, base / "warm" / "model", corpus="short")
    assert [line["samples"] for line in lines[::2]] == [
        rows.digest(rows.rows(0, 24)),
        rows.digest(rows.rows(24, 48)),
    ]


def test_two_ranks_ask_on_together_and_go_on_to_the_same_bits(base: Path, tmp_path: Path) -> None:
    """Whoever has enough goes on asking as long as the other has not."""
    parents = {each: base / each for each in ("short", "warm")}
    config = tiny.grpo(**{**SHAPE, "per_device_batch": 4, "kl_coefficient": 0.04, **variant("dapo")})
    made = tiny.make_stage(tmp_path, "rl", config, parents=parents, world_size=2)
    assert tiny.run(made) == 0, (made.path / "log.txt").read_text()
    whole, weights = tiny.trajectory(made.path), tiny.weights(made.path)
    assert all(line["prompts_asked"] in (8, 16, 24) for line in whole[::2])
    assert any(line["prompts_asked"] > 8 for line in whole), "there was something to ask on for"
    shutil.rmtree(made.path / "checkpoints" / "step-00000004")
    shutil.rmtree(made.path / "model")
    (made.path / "manifest.json").unlink()
    assert tiny.run(made) == 0, (made.path / "log.txt").read_text()
    assert tiny.trajectory(made.path) == whole
    assert tiny.weights(made.path) == weights


def test_a_window_of_several_askings_is_the_chosen_completions_as_wide_as_the_widest() -> None:
    def part(width: int, length: int, value: int) -> dict[str, Any]:
        return {
            "prompt_ids": torch.full((2, width), value),
            "prompt_mask": torch.ones(2, width, dtype=torch.long),
            "completion_ids": torch.full((2, length), value),
            "completion_mask": torch.ones(2, length, dtype=torch.long),
            "mm_token_type_ids": torch.full((2, width + length), value),
            "advantages": torch.tensor([float(value), -float(value)]),
            "num_items_in_batch": torch.tensor(9),
            "num_images": [1, 0],
            "pixel_values": torch.full((4, 2), float(value)),
            "image_grid_thw": torch.tensor([[1, 2, 2]]),
        }

    parts: Any = [part(2, 3, 5), part(3, 1, 7)]
    found: Any = taken_from(parts, [2, 0, 3], tiny.FAMILY, ("pixel_values", "image_grid_thw"))
    assert found["advantages"].tolist() == [7.0, 5.0, -7.0]
    assert found["prompt_ids"].tolist() == [[7, 7, 7], [0, 5, 5], [7, 7, 7]]
    assert found["completion_mask"].tolist() == [[1, 0, 0], [1, 1, 1], [1, 0, 0]]
    assert found["mm_token_type_ids"].tolist() == [[7] * 4 + [0] * 2, [0] + [5] * 5, [7] * 4 + [0] * 2]
    assert found["num_images"] == [1, 1, 0]
    assert found["pixel_values"][:, 0].tolist() == [7.0] * 4 + [5.0] * 4
    assert "num_items_in_batch" not in found
