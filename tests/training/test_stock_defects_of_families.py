"""Which of the defects R1 to R6 the other families have on the stock trainers, and that none has them here.

The table of docs/families.md says the same. A test that fails in its stock half says that upstream has changed: the table is
then out of date, and perhaps a cure may be dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import families
import pytest
import torch
from families import Kit
from plain_order import PlainOrder
from stock import arguments
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from lingshu_train.model.shape import PARTS
from lingshu_train.runs import checkpoint, ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.sft.run import ExactSFTTrainer
from lingshu_train.training.collate import check
from lingshu_train.training.exact import Exact, TrainingRun

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs" / "families.md"
HAS = {
    "qwen3_vl": {"R1": True, "R2": False, "R3": True, "R4": True, "R5": False, "R6": True},
    "internvl3": {"R1": False, "R2": True, "R3": True, "R4": True, "R5": False, "R6": True},
}
"""Which defects the stock trainers have with a family."""
LEAKS = {
    "qwen3_vl": {"three rows": True, "one row": True, "none": True, "cache": True},
    "internvl3": {"three rows": False, "one row": False, "none": True, "cache": True},
}
"""Which positions of samples laid end to end give other logits than the samples by themselves."""


@pytest.fixture(scope="module", params=list(HAS))
def kit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return families.make(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def has(kit: Kit) -> dict[str, bool]:
    return HAS[kit.settings.family]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainers by themselves write no ledger, which a checkpoint of a stage would carry."""
    monkeypatch.setattr(ledger, "carry", lambda *_, **__: None)


def run_of(kit: Kit, stage: Stage, *, steps: int, per_step: int, resume: Path | None = None) -> TrainingRun:
    return TrainingRun(
        stage=stage,
        family=kit.family,
        row=PlainOrder(32).row,
        items_per_step=per_step,
        resume=resume,
        steps=steps,
        learning_rate=dict.fromkeys(PARTS, 1e-2),
        weight_decay=0.0,
        keep=9,
    )


def trainer(
    kit: Kit, folder: Path, cls: type, *, resume: Path | None = None, steps: int = 1, **changes: Any
) -> Any:
    """A stock trainer or ours over all rows of the kit, as it is begun."""
    ours = issubclass(cls, Exact)
    stage = kit.stage("sft", families.tiny.sft(), "data", "base").model_copy(update={"folder": str(folder)})
    output = folder / (checkpoint.FOLDER if ours else "")
    args = SFTConfig(
        **arguments(output, max_steps=steps, **changes),
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    model, rows = kit.model(*PARTS), kit.rows()
    made = cls(
        model=model,
        args=args,
        train_dataset=rows.dataset(system="", whole=True),
        processing_class=kit.processor,
        data_collator=kit.collator(rows, model),
    )
    if ours:
        per_step = args.per_device_train_batch_size * args.gradient_accumulation_steps
        made.begin(run_of(kit, stage, steps=steps, per_step=per_step, resume=resume))
    return made


def gradient_norm(kit: Kit, folder: Path, cls: type, *, batch: int, accumulation: int) -> float:
    """Of one step over four samples, whose answers differ much in length."""
    made = trainer(
        kit, folder, cls, per_device_train_batch_size=batch, gradient_accumulation_steps=accumulation
    )
    made.train()
    return next(line["grad_norm"] for line in made.state.log_history if "grad_norm" in line)


def test_r1_gradients_depend_on_how_the_batch_is_split(
    kit: Kit, has: dict[str, bool], tmp_path: Path
) -> None:
    whole, split = (
        [gradient_norm(kit, tmp_path, cls, batch=b, accumulation=4 // b) for b in (4, 1)]
        for cls in (SFTTrainer, ExactSFTTrainer)
    )
    assert (abs(whole[1] / whole[0] - 1) > 1e-3) == has["R1"]
    assert split[1] == pytest.approx(split[0], rel=1e-5)


def sensitive(model: Any) -> Any:
    """Matrices scaled up, so that a small random model cares for positions."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    return model


class LookAtStart(TrainerCallback):
    """The weights after a checkpoint was loaded and before the first step."""

    def __init__(self) -> None:
        self.seen: dict[str, torch.Tensor] = {}

    def on_train_begin(self, *_: Any, model: Any = None, **__: Any) -> None:
        self.seen = {name: p.detach().clone() for name, p in model.named_parameters()}


def lost_by_resuming(kit: Kit, folder: Path, cls: type) -> tuple[int, int]:
    """Train a step and save; go on in a new trainer: parameters that did not come back, of how many."""
    saving = {"save_strategy": "steps", "save_steps": 1, "per_device_train_batch_size": 4}
    first = trainer(kit, folder, cls, **saving)
    first.train()
    saved = {name: p.detach().clone() for name, p in first.model.named_parameters()}
    place = checkpoint.place(folder, 1) if issubclass(cls, Exact) else folder / "checkpoint-1"
    again, look = trainer(kit, folder, cls, steps=2, resume=place, **saving), LookAtStart()
    again.add_callback(look)
    again.train(resume_from_checkpoint=str(place))
    return sum(not torch.equal(tensor, saved[name]) for name, tensor in look.seen.items()), len(saved)


def test_r2_a_resumed_run_begins_with_other_weights(kit: Kit, has: dict[str, bool], tmp_path: Path) -> None:
    lost, _ = lost_by_resuming(kit, tmp_path / "stock", SFTTrainer)
    assert (lost > 0) == has["R2"]
    assert lost_by_resuming(kit, tmp_path / "ours", ExactSFTTrainer)[0] == 0


def asked(kit: Kit, folder: Path, resume: Path | None = None) -> list[int]:
    """Steps before which TRL's trainer generated: windows of 4 steps."""
    steps: list[int] = []

    def reward(*, completions: list[Any], trainer_state: Any, **_: Any) -> list[float]:
        steps.append(trainer_state.global_step)
        return [float(len(turn[0]["content"]) % 7) for turn in completions]

    saving = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2, "per_device_train_batch_size": 2}
    window = {"num_generations": 2, "steps_per_generation": 4, "max_completion_length": 2, "beta": 0.0}
    made = GRPOTrainer(
        model=kit.model(*PARTS),
        args=GRPOConfig(**arguments(folder, **saving), **window),
        reward_funcs=[reward],
        train_dataset=kit.rows().dataset(system="", whole=False).select(range(0, 32, 2)),
        processing_class=kit.processor,
    )
    made.train(resume_from_checkpoint=str(resume) if resume else None)
    return steps


def test_r3_a_window_is_generated_again_where_a_run_goes_on_inside_it(
    kit: Kit, has: dict[str, bool], tmp_path: Path
) -> None:
    """Ours saves between windows alone: tests/training/test_stock_defects.py, for every family."""
    assert asked(kit, tmp_path) == [0]
    assert (asked(kit, tmp_path, tmp_path / "checkpoint-2") == [2]) == has["R3"]


def test_r4_image_tokens_are_taught(kit: Kit, has: dict[str, bool]) -> None:
    data = kit.rows().dataset(system="", whole=True)
    shown = [{"messages": row["messages"], "images": row["images"]} for row in data if row["images"]][:2]
    stock = dict(DataCollatorForVisionLanguageModeling(kit.processor)(shown))
    image = torch.tensor(kit.processor.image_token_ids)
    assert bool(torch.isin(stock["labels"], image).any()) == has["R4"]
    with pytest.raises(AssertionError, match="image tokens among the labels"):
        check(stock, image_tokens=image.tolist(), together=kit.family.picture_inputs)
    assert not torch.isin(kit.batches()["pictures"]["labels"], image).any()


def logits(model: Any, batch: dict[str, Any], **more: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(**batch, **{"use_cache": False, **more}).logits
    return found


def test_r5_a_lacking_input_of_pictures_is_told(kit: Kit, has: dict[str, bool]) -> None:
    """With Qwen2.5-VL logits change silently without token types. Qwen3-VL's model refuses; plain positions have none to lack."""
    types = "mm_token_type_ids"
    assert not has["R5"]
    if types not in kit.family.picture_inputs:
        assert kit.family.picture_inputs == ("pixel_values",)
        return
    batch = kit.batches()["pictures"]
    del batch[types]
    with pytest.raises(ValueError, match=types):
        kit.model()(**batch, use_cache=False)
    with pytest.raises(AssertionError, match=types):
        check(batch, image_tokens=kit.processor.image_token_ids, together=kit.family.picture_inputs)


def test_r6_samples_end_to_end_see_each_other(kit: Kit, has: dict[str, bool]) -> None:
    """Ours is laid out by the family's own positions, and gives the logits of separate runs: tests/model/test_family.py."""
    model = sensitive(kit.model()).eval()
    padded, packed = (kit.batches(packing=packing)["both"] for packing in (False, True))
    mask = padded["attention_mask"].bool()
    right = logits(model, padded)[mask]
    first = int(mask[0].sum())
    assert (logits(model, packed)[0] - right).abs().max() <= 1e-4 * right.abs().max()
    text = torch.cat([torch.arange(int(length)) for length in mask.sum(dim=1)])[None]
    plain = {name: value for name, value in packed.items() if name != "position_ids"}
    given: dict[str, dict[str, Any]] = {
        "three rows": {"position_ids": packed["position_ids"][-3:]},
        "one row": {"position_ids": text},
        "none": {},
        "cache": {"position_ids": packed["position_ids"], "use_cache": True},
    }
    found = {}
    for name, changed in given.items():
        off = (logits(model, plain, **changed)[0] - right)[first:].abs().max() / right.abs().max()
        found[name] = bool(off > 0.01)
    assert found == LEAKS[kit.settings.family]
    assert any(found.values()) == has["R6"]


def test_the_documented_table_is_what_these_tests_show() -> None:
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    for name, found in HAS.items():
        (line,) = [each for each in lines if each.startswith((f"| `{name}` | yes", f"| `{name}` | no"))]
        told = [cell.strip() for cell in line.strip("|").split("|")][1:]
        assert [cell.split()[0].rstrip(",") == "yes" for cell in told] == list(found.values()), name
