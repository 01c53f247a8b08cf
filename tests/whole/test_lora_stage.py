"""A stage that trains through an adapter, by the real trainers: what it leaves, and who can go on from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from layouts import LORA, Layout
from peft import PeftModel
from safetensors.torch import load_file
from transformers import PreTrainedModel

from lingshu_train import cli
from lingshu_train.data import chat
from lingshu_train.errors import RecipeError
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.training import adapters

pytestmark = pytest.mark.slow

Straight = Callable[[Layout], Stage]
ONE: Layout = ("lora", 1, "none")


@pytest.fixture
def stage(straight: Straight) -> Stage:
    return straight(ONE)


def results(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((stage.path / "manifest.json").read_text())["results"]
    return found


@torch.no_grad()
def logits(model: PreTrainedModel | PeftModel, stage: Stage) -> torch.Tensor:
    """Of a picture's question."""
    text = tiny.processor(stage.path / "model")
    rows = tiny.rows(stage, stage.path / "model")
    sample = tiny.samples(rows)[0]
    prompt = text.apply_chat_template(
        chat.prompt(sample, images=True), tokenize=False, add_generation_prompt=True
    )
    picture = rows.dataset(system="", whole=True)[0]["images"][0]
    batch = text(text=[prompt], images=[[picture]], return_tensors="pt", add_special_tokens=False)
    found: torch.Tensor = model.eval()(**batch).logits
    return found


def test_it_leaves_the_merged_model_and_the_adapter_that_opens_on_its_base(stage: Stage) -> None:
    config = json.loads((stage.path / adapters.FOLDER / adapters.CONFIG).read_text())
    assert config["base_model_name_or_path"] == "../base/model", "beside the stage, wherever the run lies"
    base = tiny.model(stage.parent("base") / "model")
    start = logits(base, stage)
    opened = logits(PeftModel.from_pretrained(base, stage.path / adapters.FOLDER), stage)
    merged = logits(tiny.model(stage.path / "model"), stage)
    assert (merged - opened).abs().max() < 1e-5
    assert (merged - start).abs().max() > 0.01, "nothing was learned that could be lost"


def test_the_manifest_vouches_for_both_and_says_what_trained(stage: Stage) -> None:
    manifest = json.loads((stage.path / "manifest.json").read_text())
    assert {f"adapter/{adapters.CONFIG}", f"adapter/{adapters.WEIGHTS}", "model/model.safetensors"} <= set(
        manifest["files"]
    )
    assert sorted(path.name for path in (stage.path / "adapter").iterdir()) == [
        adapters.CONFIG,
        adapters.WEIGHTS,
    ]
    found = results(stage)
    assert found["trained_parts"] == ["language_model", "merger"]
    state = load_file(stage.path / "adapter" / adapters.WEIGHTS)
    sizes = {
        part: sum(value.numel() for name, value in state.items() if ("lora_" in name) == (part != "merger"))
        for part in ("merger", "language_model")
    }
    assert {part: one["parameters"] for part, one in found["trained"].items()} == sizes
    assert found["trained"]["language_model"]["lora"]["rank"] == 4
    plain = tiny.model(stage.parent("base") / "model")
    assert sum(found["parameters"].values()) == sum(p.numel() for p in plain.parameters())


def test_the_frozen_part_is_as_it_was_to_the_bit(stage: Stage) -> None:
    before, after = (
        tiny.model(folder / "model").state_dict() for folder in (stage.parent("base"), stage.path)
    )
    tower = [name for name in before if ".visual." in name and ".merger." not in name]
    assert tower and all(torch.equal(before[name], after[name]) for name in tower)


def test_each_part_has_its_own_learning_rate(stage: Stage) -> None:
    last = ledger.steps(stage.path)[0]
    rates = {name: value for name, value in last.items() if name.startswith("learning_rate/")}
    assert rates == {f"learning_rate/{part}": rate for part, rate in LORA["learning_rate"].items()}


def test_the_layers_that_the_plan_counts_are_those_that_train(stage: Stage) -> None:
    from lingshu_train.model.settings import Settings
    from lingshu_train.planning import estimate
    from lingshu_train.training.lora import Lora

    shape = Settings.model_validate_json(json.dumps(stage.model)).shape
    counted = estimate._adapter(shape, "language_model", Lora(rank=4))
    assert counted == results(stage)["trained"]["language_model"]["parameters"]


def test_another_adapter_starts_on_what_the_first_one_left(stage: Stage, base: Path, tmp_path: Path) -> None:
    (tmp_path / "first").symlink_to(stage.path)
    config = tiny.sft(**{**LORA, "base": "first", "steps": 3})
    parents = {"data": base / "data", "first": stage.path}
    further = tiny.make_stage(tmp_path, "second", config, parents=parents)
    assert tiny.run(further) == 0, (further.path / "log.txt").read_text()
    assert ledger.steps(further.path)[0]["loss"] < ledger.steps(stage.path)[0]["loss"]


def test_masters_are_float32_and_the_model_below_is_bfloat16(base: Path, tmp_path: Path) -> None:
    """What is saved is what was trained: the frozen weights, as rounded as they were."""
    config = tiny.sft(**LORA, steps=4, save_every=2)
    parents = {name: base / name for name in ("data", "base")}
    model = {**tiny.MODEL, "dtype": "bfloat16", "gradient_checkpointing": True}
    stage = tiny.make_stage(tmp_path, "low", config, parents=parents, model=model)
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    state = load_file(stage.path / "adapter" / adapters.WEIGHTS)
    assert {value.dtype for value in state.values()} == {torch.float32}
    assert any((value.bfloat16().float() != value).any() for value in state.values())
    before, after = (tiny.model(folder / "model").state_dict() for folder in (base / "base", stage.path))
    name = next(name for name in before if "patch_embed" in name)
    assert torch.equal(after[name], before[name].bfloat16().float())


def test_a_checkpoint_without_one_tensor_stops_the_run(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from lingshu_train.runs import checkpoint, hashes

    parents = {name: base / name for name in ("data", "base")}
    stage = tiny.make_stage(
        tmp_path, "lora", tiny.sft(**LORA, steps=4, save_every=2, keep=1), parents=parents
    )
    tiny.kill_when(tiny.start(stage), lambda: tiny.steps_done(stage) >= 3)
    folder = checkpoint.existing(stage.path)[-1]
    path, record = folder / adapters.WEIGHTS, checkpoint.read(folder)
    before = path.stat().st_size
    state = load_file(path)
    state.pop(next(name for name in sorted(state) if "lora_B" in name))
    save_file(state, path)
    # As if it had been saved so: whole by its own record.
    files = {**record.files, adapters.WEIGHTS: str(hashes.of([path])[path])}
    size = record.bytes + path.stat().st_size - before
    checkpoint._sign(folder, record.model_copy(update={"files": files, "bytes": size}))
    assert tiny.run(stage) == 65
    assert "is not the adapter of this stage" in (stage.path / "log.txt").read_text()


def test_a_recipe_takes_an_adapter_and_says_so_before_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    train = "{merger: full, language_model: {lora: {rank: 8}}}"
    rates = "{merger: 1e-3, language_model: 1e-3}"
    given = [
        f"stages.instruct.train={train}",
        "~stages.instruct.learning_rate",
        f"+stages.instruct.learning_rate={rates}",
    ]
    assert cli.main(["plan", "quickstart", *given]) == 0
    assert "(LoRA of rank 8, alpha 16)" in capsys.readouterr().out


@pytest.fixture(scope="module")
def published(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that starts from a base outside of it, with an adapter, and a stage that goes on from that."""
    root = tmp_path_factory.mktemp("published")
    shutil.copytree(base / "base" / "model", root / "some-model")
    (root / "run").mkdir()
    model = {**tiny.MODEL, "base": str(root / "some-model")}
    parents = {"data": base / "data"}
    for name, start in (("first", ""), ("second", "first")):
        config = tiny.sft(**LORA, base=start, steps=2)
        made = tiny.make_stage(root / "run", name, config, parents=parents, model=model)
        tiny.run_here(made)
        tiny.finish(made, outputs=["model", "adapter", "ledger.jsonl"])
        parents = {**parents, name: made.path}
    return root


def exported(root: Path, of: str) -> Stage:
    model = {**tiny.MODEL, "base": str(root / "some-model")}
    config = {"kind": "export", "model": of, "adapter": True}
    parents = {of: root / "run" / of}
    return tiny.make_stage(root / "run", f"export-{of}", config, parents=parents, model=model)


def test_an_adapter_is_exported_alone_and_named_without_a_path(published: Path) -> None:
    found = exported(published, "first")
    told = tiny.run_here(found)
    folder = found.path / "export"
    assert 0 < float(str(told["largest_logit_difference"])) < 1e-4
    config = json.loads((folder / adapters.CONFIG).read_text())
    assert config["base_model_name_or_path"] == "some-model"
    assert not (folder / "model.safetensors").exists() and (folder / "tokenizer.json").is_file()
    card = (folder / "README.md").read_text()
    assert "library_name: peft" in card and "PeftModel.from_pretrained(model" in card
    assert str(published) not in card


def test_an_adapter_on_a_model_that_nobody_has_is_not_exported(published: Path) -> None:
    with pytest.raises(RecipeError, match="stands on the model of first, which nobody else has"):
        tiny.run_here(exported(published, "second"))
