"""Which of the stock defects the other families have: shown on the stock trainers, then absent here (docs/families.md).

The story of each stands in test_stock_defects.py, on Qwen2.5-VL. R3 is TRL's own, whatever the model. A test that fails in its
stock half says that upstream has mended the defect for a family, or brought it: the table of docs/families.md then changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import families
import pytest
import torch
from families import Kit
from stock import arguments
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from lingshu_train.model import load
from lingshu_train.model.shape import PARTS
from lingshu_train.training.collate import check

pytestmark = pytest.mark.slow

R1 = {"qwen3_vl": True, "internvl3": False, "gemma3": False}
"""Whether transformers says that the model takes no loss arguments, so that the mean of micro-batch means is taken."""
R2 = {"qwen3_vl": False, "internvl3": True, "gemma3": True}
"""Whether a stock checkpoint's names are others than those in memory, so that resuming leaves the parameters at their start."""
TOKEN_TYPES = {"qwen3_vl": "refused", "internvl3": "", "gemma3": "wrong"}
"""What becomes of a batch that lacks the input which says which tokens are pictures: empty where there is none. Positions hang on
it, or which tokens see each other."""


@pytest.fixture(scope="module", params=sorted(R2))
def kit(
    request: pytest.FixtureRequest, plugins: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kit]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield families.make(request.param, tmp_path_factory.mktemp(request.param))
    torch.set_num_threads(before)


class LookAtStart(TrainerCallback):
    """The weights after a checkpoint was loaded and before the first step."""

    def __init__(self) -> None:
        self.seen: dict[str, torch.Tensor] = {}

    def on_train_begin(self, *_: Any, model: Any = None, **__: Any) -> None:
        self.seen = {name: p.detach().clone() for name, p in model.named_parameters()}


def stock(kit: Kit, folder: Path, *callbacks: TrainerCallback, **changes: Any) -> SFTTrainer:
    """TRL's trainer over rows whose answers differ much in length."""
    rows, model = kit.rows(), kit.model(*PARTS)
    args = SFTConfig(
        **arguments(folder, **changes), max_length=None, dataset_kwargs={"skip_prepare_dataset": True}
    )
    return SFTTrainer(
        model=model,
        args=args,
        train_dataset=rows.dataset(system="", whole=True).select(range(4)),
        processing_class=kit.processor,
        data_collator=kit.collator(rows, model),
        callbacks=list(callbacks),
    )


def test_stock_gradients_depend_on_how_the_batch_is_split_where_the_model_takes_no_count(
    kit: Kit, tmp_path: Path
) -> None:
    """R1. Ours do not: tests/whole/test_family_layouts.py."""
    norms = []
    for batch, accumulation in ((4, 1), (1, 4)):
        sizes = {"per_device_train_batch_size": batch, "gradient_accumulation_steps": accumulation}
        trainer = stock(kit, tmp_path / str(batch), **sizes)
        trainer.train()
        norms += [line["grad_norm"] for line in trainer.state.log_history if "grad_norm" in line]
    assert len(norms) == 2
    assert (abs(norms[1] / norms[0] - 1) > 0.02) == R1[kit.settings.family]


def test_stock_resume_loses_what_its_checkpoint_names_otherwise(kit: Kit, tmp_path: Path) -> None:
    """R2. Here a checkpoint is read by a loader that wants every name (tests/model/test_family.py)."""
    saving = {"save_strategy": "steps", "save_steps": 1, "per_device_train_batch_size": 4}
    first = stock(kit, tmp_path, **saving)
    first.train()
    saved = {name: p.detach().clone() for name, p in first.model.named_parameters()}
    look = LookAtStart()
    again = stock(kit, tmp_path, look, max_steps=2, **saving)
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    lost = sum(not torch.equal(tensor, saved[name]) for name, tensor in look.seen.items())
    assert (lost >= len(saved) - 1) == R2[kit.settings.family], (lost, len(saved))
    if not R2[kit.settings.family]:
        assert lost == 0
    state = load.strict_state(kit.family, tmp_path / "checkpoint-1", first.model)
    assert all(torch.equal(state[name], tensor) for name, tensor in saved.items())


def test_stock_messages_teach_image_tokens_and_our_batches_do_not(kit: Kit) -> None:
    """R4."""
    data = kit.rows().dataset(system="", whole=True)
    row = next(one for one in data if one["images"])
    image = torch.tensor(kit.processor.image_token_ids)
    batch = dict(
        DataCollatorForVisionLanguageModeling(kit.processor)(
            [{"messages": row["messages"], "images": row["images"]}]
        )
    )
    assert torch.isin(batch["labels"], image).sum() == torch.isin(batch["input_ids"], image).sum() > 0
    with pytest.raises(AssertionError, match="image tokens among the labels"):
        check(batch, image_tokens=image.tolist(), together=kit.family.picture_inputs)
    assert not torch.isin(kit.batches()["pictures"]["labels"], image).any()


def sensitive(model: Any) -> Any:
    """Matrices scaled up, so that a small random model cares for positions."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    return model


def test_a_batch_without_token_types_is_refused_here(kit: Kit) -> None:
    """R5: one family says so itself upstream, another is silently wrong, the third has no such input."""
    batch = kit.batches()["pictures"]
    spare = [name for name in kit.family.picture_inputs if "token_type" in name]
    known = TOKEN_TYPES[kit.settings.family]
    assert bool(spare) == bool(known)
    if not spare:
        return
    without = {name: tensor for name, tensor in batch.items() if name not in spare}
    model = sensitive(kit.model()).eval()
    if known == "refused":
        with pytest.raises(ValueError, match="mm_token_type_ids"):
            model(**without)
    else:
        with torch.no_grad():
            right, wrong = (model(**one).logits for one in (batch, without))
        assert (wrong - right).abs().max() > 0.01 * right.abs().max()
    with pytest.raises(AssertionError, match="token_type"):
        check(without, image_tokens=kit.processor.image_token_ids, together=kit.family.picture_inputs)


WINDOWS = {"qwen3_vl": False, "internvl3": False, "gemma3": True}
"""Whether a row of samples is masked wrongly also where positions tell them apart: in layers with a window, tokens of a picture."""


@pytest.mark.parametrize("variant", ["none", "cache", "ours"])
def test_the_other_ways_to_pack_leak_from_row_to_row(variant: str, kit: Kit) -> None:
    """R6, and in one family the way that is right for the others. That ours do not: tests/model/test_family.py."""
    packed = dict(kit.batches(packing=True)["both"])
    plain = kit.family.architecture.from_pretrained(
        kit.source, dtype=torch.float32, attn_implementation="sdpa"
    )
    with torch.no_grad():
        right = sensitive(kit.model()).eval()(**packed, use_cache=False).logits
        if variant == "none":
            del packed["position_ids"]
        found = sensitive(plain).eval()(**packed, use_cache=variant == "cache").logits
    wrong = bool((found - right).abs().max() > 0.01 * right.abs().max())
    assert wrong == (variant != "ours" or WINDOWS[kit.settings.family])
