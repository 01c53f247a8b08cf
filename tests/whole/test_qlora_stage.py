"""A stage on a model in 4 bits: the real bitsandbytes, on a CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from layouts import LORA
from peft import PeftModel
from safetensors.torch import load_file

from lingshu_train.errors import RecipeError
from lingshu_train.model import load, parts
from lingshu_train.planning import recipe
from lingshu_train.runs.stage import Stage
from lingshu_train.training import adapters

pytestmark = pytest.mark.slow

MODEL = {**tiny.MODEL, "quantize": "nf4"}
PACKAGE = "bitsandbytes"
WITHOUT = "without it nothing is in 4 bits: the extra qlora"


def made(base: Path, root: Path) -> Stage:
    config = tiny.sft(**LORA, steps=6, save_every=2)
    parents = {name: base / name for name in ("data", "base")}
    return tiny.make_stage(root, "low", config, parents=parents, model=MODEL)


@pytest.fixture(scope="module")
def stage(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    pytest.importorskip(PACKAGE, reason=WITHOUT)
    found = made(base, tmp_path_factory.mktemp("qlora"))
    assert tiny.run(found) == 0, (found.path / "log.txt").read_text()
    return found


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    ids = torch.arange(20, 60)[None]
    found: torch.Tensor = model.eval()(input_ids=ids).logits
    return found


def test_what_is_saved_answers_as_what_was_trained_in_4_bits(base: Path, stage: Stage) -> None:
    """Merged into the base's own numbers the same adapter is another model."""
    source, folder = str(base / "base" / "model"), stage.path / adapters.FOLDER
    low = load.model(
        tiny.FAMILY,
        source,
        dtype="float32",
        attention="sdpa",
        quantize=load.four_bits(tiny.FAMILY, dtype="float32"),
    )
    packed = {name for name, p in low.named_parameters() if p.dtype == torch.uint8}
    assert packed and {parts.part_of(tiny.FAMILY, name) for name in packed} == {"language_model"}
    assert low.get_output_embeddings().weight.dtype == torch.float32
    trained = logits(PeftModel.from_pretrained(low, folder))
    assert (logits(tiny.model(stage.path / "model")) - trained).abs().max() < 1e-5
    elsewhere = adapters.merged(tiny.model(base / "base" / "model"), folder)
    assert (logits(elsewhere) - trained).abs().max() > 1e-3


def test_its_adapter_is_float32_and_learned(stage: Stage) -> None:
    state = load_file(stage.path / adapters.FOLDER / adapters.WEIGHTS)
    assert {value.dtype for value in state.values()} == {torch.float32}
    assert all(value.any() for value in state.values())
    lines = tiny.trajectory(stage.path)
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_a_killed_run_ends_with_the_bits_of_an_uninterrupted_one(
    base: Path, stage: Stage, tmp_path: Path
) -> None:
    killed = made(base, tmp_path)
    tiny.kill_when(tiny.start(killed), lambda: tiny.steps_done(killed) >= 3)
    assert tiny.run(killed) == 0, (killed.path / "log.txt").read_text()
    assert tiny.weights(killed.path) == tiny.weights(stage.path) != {}
    assert tiny.trajectory(killed.path) == tiny.trajectory(stage.path)


def test_parameters_are_counted_as_numbers_and_not_as_bytes(base: Path) -> None:
    pytest.importorskip(PACKAGE, reason=WITHOUT)
    source = str(base / "base" / "model")
    low = load.model(
        tiny.FAMILY,
        source,
        dtype="float32",
        attention="sdpa",
        quantize=load.four_bits(tiny.FAMILY, dtype="float32"),
    )
    assert parts.counts(tiny.FAMILY, low) == parts.counts(tiny.FAMILY, tiny.model(base / "base" / "model"))


def test_4_bits_that_nothing_trains_beside_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"stages\.shallow\.train: no adapter"):
        recipe.load("quickstart", ["model.quantize=nf4"])


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match="install the extra qlora"):
        load.four_bits(tiny.FAMILY, dtype="float32")
