"""Stages that OTHERS go through as Qwen2.5-VL does (test_qlora_stage.py, tests/training/test_pictures_once.py), in this process: an
adapter beside 4 bits, pictures of a GRPO window once, and both go on from a checkpoint to the same bits."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import families
import pytest
import tiny
import torch
from families import Kit, carry_out
from layouts import LORA
from peft import PeftModel

from lingshu_train.model import load, parts, repeated
from lingshu_train.model.shape import PARTS
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.grpo.run import ExactGRPOTrainer
from lingshu_train.training import adapters

pytestmark = pytest.mark.slow

REWARD = """
from lingshu_train.record import Completion, Sample, Score
from lingshu_train.schema import Strict


class Params(Strict):
    pass


def score(sample: Sample, completion: Completion, params: Params) -> Score:
    return Score(value=sum(completion.token_ids) % 7 / 6, status="scored")
"""
"""What a model without any training gets something of."""
OTHERS = sorted(set(families.MODELS) - {"qwen2_5_vl", "toy_internvl"})
ADAPTED: dict[str, Any] = {
    "train": {**LORA["train"], "vision_tower": "full"},
    "learning_rate": {**LORA["learning_rate"], "vision_tower": 2e-3},
}
"""Both other parts train whole: their modules may hold parameters beside modules that hold some."""
FROZEN: dict[str, Any] = {"train": ["language_model"], "learning_rate": {"language_model": 2e-3}}
CLOSE = ("loss", "grad_norm", "kl", "entropy", "reward")


@pytest.fixture(scope="module", params=OTHERS)
def kit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return families.make(request.param, tmp_path_factory.mktemp(request.param))


def gone_on(stage: Stage) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """What a run leaves that lost its last checkpoint and all after it, as one that was killed then."""
    shutil.rmtree(stage.path / "checkpoints" / "step-00000004")
    shutil.rmtree(stage.path / "model")
    (stage.path / "manifest.json").unlink()
    assert carry_out(stage)["resumed_at"] == 2
    return tiny.trajectory(stage.path), tiny.weights(stage.path)


@pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None,
    reason="without it nothing is in 4 bits: the extra qlora",
)
def test_an_adapter_learns_beside_4_bits_and_what_is_saved_answers_as_it_did(kit: Kit) -> None:
    low = Kit(root=kit.root, block=kit.block | {"quantize": "nf4"}, settings=kit.settings, family=kit.family)
    stage = low.stage("low", tiny.sft(**ADAPTED, steps=4, save_every=2), "data", "base")
    carry_out(stage)
    whole, weights = tiny.trajectory(stage.path), tiny.weights(stage.path)
    assert whole[-1]["loss"] < whole[0]["loss"]
    quantize = load.four_bits(kit.family, dtype="float32")
    base = load.model(kit.family, str(kit.source), dtype="float32", attention="sdpa", quantize=quantize)
    packed = {name for name, parameter in base.named_parameters() if parameter.dtype == torch.uint8}
    assert packed and {parts.part_of(kit.family, name) for name in packed} == {"language_model"}
    assert parts.counts(kit.family, base) == kit.settings.shape.parameters()
    trained = PeftModel.from_pretrained(base, stage.path / adapters.FOLDER).eval()
    saved = load.model(kit.family, str(stage.path / "model"), dtype="float32", attention="sdpa").eval()
    batch = kit.batches()["both"]
    with torch.no_grad():
        expected, found = (model(**batch, use_cache=False).logits for model in (trained, saved))
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()
    assert gone_on(stage) == (whole, weights)


def rewarded(kit: Kit, folder: Path, **changes: Any) -> dict[str, Any]:
    """A GRPO stage of two windows of two steps each."""
    (folder / "sevenths.py").write_text(REWARD)
    terms = [{"name": "sevenths", "file": str(folder / "sevenths.py")}]
    config = tiny.grpo(base="base", data=[{"corpus": "data"}], steps=4, save_every=2, per_device_batch=8)
    return {**config, "rewards": {"mode": "sum", "terms": terms}, "kl_coefficient": 0.1, **changes}


def test_pictures_of_a_window_go_through_a_frozen_tower_once_and_the_numbers_are_those_of_every_pass(
    kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    seen: list[int] = []
    divide, once = ExactGRPOTrainer._divide, repeated.once

    def divided(self: Any, window: Any) -> Any:
        found = divide(self, window)
        kept.append(len(self._pictures.distinct))
        return found

    def counted(family: Any, model: Any, *told: Any) -> None:
        inner = model.model.get_image_features
        names = tuple(family.blank(model))

        def count(*args: Any, **given: Any) -> Any:
            tensors = {
                name: one
                for name, one in (given | dict(zip(names, args, strict=False))).items()
                if name in names
            }
            # The guard's blank picture, which is zeros, stands for none.
            seen.append(sum(bool(one[names[0]].any()) for one in family.apart(tensors)))
            return inner(*args, **given)

        count.__wrapped__ = inner
        model.model.get_image_features = count
        once(family, model, *told)

    monkeypatch.setattr(ExactGRPOTrainer, "_divide", divided)
    monkeypatch.setattr(repeated, "once", counted)
    spared = kit.stage("spared", rewarded(kit, tmp_path, **FROZEN), "data", "base")
    carry_out(spared)
    assert len(kept) == 2
    assert sum(seen) == sum(kept) > 0, "drawing, old policy, reference and update together"
    few = sum(seen)
    monkeypatch.setattr(repeated, "stays", lambda family, model: False)
    every = kit.stage("every", rewarded(kit, tmp_path, **FROZEN), "data", "base")
    carry_out(every)
    assert sum(seen) - few > 2 * few
    for ours, theirs in zip(ledger.steps(spared.path), ledger.steps(every.path), strict=True):
        assert theirs["grad_norm"] > 0
        for name in CLOSE:
            if name in theirs:
                assert ours[name] == pytest.approx(theirs[name], rel=1e-5, abs=1e-6), name
    monkeypatch.undo()
    whole = tiny.trajectory(spared.path), tiny.weights(spared.path)
    assert gone_on(spared) == whole


def test_grpo_trains_every_part_and_goes_on_to_the_same_bits(kit: Kit, tmp_path: Path) -> None:
    stage = kit.stage("all", rewarded(kit, tmp_path), "data", "base")
    assert carry_out(stage)["trained_parts"] == sorted(PARTS)
    whole = tiny.trajectory(stage.path), tiny.weights(stage.path)
    assert min(line["grad_norm"] for line in whole[0]) > 0.01, "nothing was learned"
    saved = load.model(kit.family, str(stage.path / "model"), dtype="float32", attention="sdpa")
    before = dict(kit.model().named_parameters())
    moved = [name for name, one in saved.named_parameters() if not torch.equal(one, before[name])]
    assert {parts.part_of(kit.family, name) for name in moved} == set(PARTS)
    assert gone_on(stage) == whole
