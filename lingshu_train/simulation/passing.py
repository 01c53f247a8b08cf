"""A forward and a backward pass of one stage on fake storages, and what it allocated and computed."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves
from transformers import PreTrainedModel, ProcessorMixin
from trl.trainer.utils import add_fused_lm_head

from lingshu_train.data.lessons import Lesson, Turn
from lingshu_train.model import family as families
from lingshu_train.model import parts
from lingshu_train.model.family import Family
from lingshu_train.model.settings import Settings
from lingshu_train.model.shape import Part, Shape
from lingshu_train.simulation import fake
from lingshu_train.simulation.load import Load
from lingshu_train.simulation.meter import Meter
from lingshu_train.simulation.passed import Maker, Passed, Phase, Setting
from lingshu_train.training import adapters, collate

MAKERS: dict[Part, Maker] = {"vision_tower": "vision", "merger": "vision", "language_model": "text"}
OUTPUTS = ("log_probs", "entropy", "is_top1")
"""What supervised training asks of the head (trl/trainer/sft_trainer.py)."""


class Tracer:
    """Traces passes of one load at the sizes of any shape; what the rows come to is made once."""

    def __init__(self, setting: Setting, load: Load) -> None:
        self.setting, self.load = setting, load
        self._architecture = families.of(setting.settings.family)
        self._processor = processor_of(self._architecture, setting.settings)
        self._batch: dict[str, torch.Tensor] = {}

    def measure(self, shape: Shape) -> Passed:
        """One pass at the sizes of `shape`."""
        words, settings = self._processor.tokenizer, self.setting.settings
        found = fake.model(self._architecture, settings, shape, words, on_gpu=self.setting.on_gpu)
        # Of a model its positions alone are asked, which are the same at any depth.
        self._batch = self._batch or batch_of(self._architecture, self.load, self._processor, found)
        return _measure(self.setting, self.load, found, self._batch)


def _measure(setting: Setting, load: Load, found: PreTrainedModel, real: dict[str, torch.Tensor]) -> Passed:
    architecture = families.of(setting.settings.family)
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    batch, pixels = _faked(real, setting, mode)
    add_fused_lm_head(found, outputs=OUTPUTS)
    whole = fake.prepare(
        architecture, found, setting.settings, setting.config, mode=mode, divided=setting.divided
    )
    if setting.settings.gradient_checkpointing:
        checkpoint(found)
    found.config.use_cache = found.config.get_text_config().use_cache = False
    whole.train(setting.learns)
    tensors = [one for one in batch.values() if isinstance(one, torch.Tensor)]
    given = [*whole.parameters(), *whole.buffers(), *tensors]
    meter = Meter(mode, given)
    meter.watch_gradients(whole, lambda name: MAKERS[parts.part_of(architecture, name)])
    _watch_phases(meter, adapters.base_of(whole))
    lengths = [load.tokens] * load.rows
    with fake.kernels(meter, lengths, gpu=setting.on_gpu):
        _run(setting, whole, batch, meter, labels=load.answer * load.rows)
    return Passed(
        peaks={phase: dict(peak.by) for phase, peak in meter.peaks.items()},
        with_gradients={phase: dict(peak.by) for phase, peak in meter.with_gradients.items()},
        saved=meter.saved,
        flops=dict(meter.flops),
        pixel_bytes=pixels,
    )


def _run(
    setting: Setting, whole: nn.Module, batch: dict[str, torch.Tensor], meter: Meter, *, labels: int
) -> None:
    low = setting.settings.dtype == "bfloat16" and not setting.divided
    collecting = gc.isenabled()
    # Cycles that the collector would break keep storages for an unknown while; autograd leaves none.
    gc.disable()
    try:
        with meter, nullcontext() if setting.learns else torch.no_grad():
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                out = whole(**batch, fused_lm_head=True, num_items_in_batch=labels)
                loss = out.loss
            del out
            meter.begin_backward()
            if setting.learns:
                loss.backward()
            del loss
    finally:
        if collecting:
            gc.enable()


def _watch_phases(meter: Meter, model: PreTrainedModel) -> None:
    """Forward: around the pictures' tokens and around the backbone. Backward: from when the gradients of what each gave are
    there."""
    inner = model.model
    features = inner.get_image_features

    def begins(phase: Phase) -> Callable[[torch.Tensor], None]:
        def begun(_: torch.Tensor) -> None:
            meter.phase = phase

        return begun

    def watch(out: object, phase: Phase) -> None:
        for one in tree_leaves(out):
            if isinstance(one, torch.Tensor) and one.requires_grad:
                one.register_hook(begins(phase))  # type: ignore[no-untyped-call]

    @wraps(features)
    def image_features(*args: Any, **kwargs: Any) -> Any:
        before, meter.phase = meter.phase, "vision"
        found = features(*args, **kwargs)
        watch(found.pooler_output, "vision_back")
        meter.phase = before
        return found

    def enter(*_: object) -> None:
        meter.phase = "text"

    def leave(_: nn.Module, __: object, out: Any) -> None:
        meter.phase = "head"
        watch(out.last_hidden_state, "text_back")

    inner.get_image_features = image_features
    inner.register_forward_pre_hook(enter)
    inner.register_forward_hook(leave)


def checkpoint(model: PreTrainedModel) -> None:
    """As training does it (training/arguments.py)."""
    with warnings.catch_warnings():
        # transformers has a second name for it since 5.23, and warns of the one that all our versions know.
        warnings.simplefilter("ignore", FutureWarning)
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def processor_of(architecture: Family, settings: Settings) -> ProcessorMixin:
    """The family's own, with a tokenizer of bytes alone: as many tokens as letters."""
    words = architecture.build_tokenizer(["a"], vocabulary=320)
    return architecture.build_processor(words, settings.budget)


def batch_of(
    architecture: Family, load: Load, processor: ProcessorMixin, model: PreTrainedModel
) -> dict[str, torch.Tensor]:
    """What the collator makes of such rows, on real storages."""
    picture = Image.new("L", load.picture_side)
    # Text stands between pictures: one after another they would be taken for one.
    marks = ("a" + processor.image_token) * load.pictures
    given = load.tokens - load.answer - load.pictures * (load.picture_tokens + 1)
    turn = Turn(given=marks + "a" * given, taught="a" * load.answer)
    lesson = Lesson(turns=(turn,), prompt="")
    found = collate.taught(
        processor, [lesson] * load.rows, [[picture] * load.pictures for _ in range(load.rows)]
    )
    length = found["input_ids"].shape[1]
    assert length == load.tokens, f"rows have {length} tokens, not {load.tokens}"
    return collate.pack(found, architecture.positions(model, found)) if load.packed else found


def _faked(
    real: dict[str, torch.Tensor], setting: Setting, mode: FakeTensorMode
) -> tuple[dict[str, torch.Tensor], int]:
    """A batch with the numbers of pictures on fake storages, in the format that the model is given them in; and their bytes in
    float32, as the loader hands them over."""
    low = setting.divided and setting.settings.dtype == "bfloat16"
    # Beside tensors, a batch that lies end to end says how long its longest sample is.
    pictures = {
        name: one for name, one in real.items() if isinstance(one, torch.Tensor) and one.is_floating_point()
    }
    with mode:
        faked = {
            name: torch.empty(one.shape, dtype=torch.bfloat16 if low else one.dtype)
            for name, one in pictures.items()
        }
    return {**real, **faked}, sum(4 * one.numel() for one in pictures.values())
