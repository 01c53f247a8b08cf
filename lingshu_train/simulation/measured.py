"""The same pass for real, on this machine's processor or GPU, to hold a simulation against."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from trl.trainer.utils import add_fused_lm_head

from lingshu_train.model import family as families
from lingshu_train.model import parts
from lingshu_train.model.attention import by_sample
from lingshu_train.model.shape import Shape
from lingshu_train.schema import Strict
from lingshu_train.simulation import fake, passing
from lingshu_train.simulation.load import Load
from lingshu_train.simulation.passed import Setting
from lingshu_train.simulation.passing import OUTPUTS
from lingshu_train.training import optimizers


class Measured(Strict):
    """Bytes. `saved` is what autograd kept at the end of the forward pass, weights aside, and beside what
    checkpointing holds for itself; `peak` what CUDA's allocator held at
    most in a second step, all of it counted, None on a processor."""

    weights: int
    gradients: int
    optimizer: int
    saved: int
    peak: int | None
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A model of random weights on a device, as one process trains it, with the batch that it is given."""

    setting: Setting
    load: Load
    model: nn.Module
    batch: Mapping[str, object]
    optimizer: torch.optim.Optimizer

    def loss(self) -> torch.Tensor:
        """A forward pass in the stage's number format."""
        low = self.setting.settings.dtype == "bfloat16" and not self.setting.divided
        with fake.kernels(None, [], gpu=False), torch.autocast(self._device, torch.bfloat16, enabled=low):
            labels = self.load.answer * self.load.rows
            found: torch.Tensor = self.model(**self.batch, fused_lm_head=True, num_items_in_batch=labels).loss
        return found

    def seconds(self) -> float:
        """One step: forward, backward, the optimizer's; the device has finished by then."""
        self._finish()
        began = time.perf_counter()
        self.loss().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._finish()
        return time.perf_counter() - began

    @property
    def tensors(self) -> list[torch.Tensor]:
        return [one for one in self.batch.values() if isinstance(one, torch.Tensor)]

    @property
    def _device(self) -> str:
        return self.tensors[0].device.type

    def _finish(self) -> None:
        if self._device == "cuda":
            torch.cuda.synchronize()


def prepare(setting: Setting, load: Load, shape: Shape, *, device: str = "cpu") -> Prepared:
    """Made on the device itself, where a large model's weights take seconds."""
    architecture = families.of(setting.settings.family)
    processor = passing.processor_of(architecture, setting.settings)
    words = processor.tokenizer
    # Positions alone are asked of a model here, and they need no weights.
    empty = fake.model(architecture, setting.settings, shape, words, on_gpu=setting.on_gpu)
    batch = passing.batch_of(architecture, load, processor, empty)
    torch.manual_seed(0)
    with torch.device(device):
        found = architecture.build_model(shape, words, initializer_range=0.02, seed=0)
    found.set_attn_implementation(fake.attention(setting.settings, on_gpu=setting.on_gpu))
    by_sample(found)
    architecture.quicken(found)
    add_fused_lm_head(found, outputs=OUTPUTS)
    whole = fake.prepare(
        architecture, found, setting.settings, setting.config, mode=None, divided=setting.divided
    ).to(device)
    if setting.settings.gradient_checkpointing:
        passing.checkpoint(found)
    found.config.use_cache = found.config.get_text_config().use_cache = False
    whole.train()
    low = setting.settings.dtype == "bfloat16"

    def given(one: object) -> object:
        # Beside tensors, a batch that lies end to end says how long its longest sample is.
        if not isinstance(one, torch.Tensor):
            return one
        return one.to(device, torch.bfloat16 if low and setting.divided and one.is_floating_point() else None)

    groups = parts.optimizer_groups(
        architecture,
        whole,
        learning_rate=dict.fromkeys(setting.config.trains, 1e-5),
        weight_decay=0.0,
    )
    optimizer = optimizers.build(
        setting.config.optimizer,
        [dict(group) for group in groups],
        betas=(0.9, 0.999),
        eps=1e-8,
        fused=device == "cuda",
    )
    taken = {name: given(one) for name, one in batch.items()}
    return Prepared(setting=setting, load=load, model=whole, batch=taken, optimizer=optimizer)


def run(setting: Setting, load: Load, shape: Shape, *, device: str = "cpu") -> Measured:
    """Two steps of a model of that shape with random weights, as one process trains."""
    ready = prepare(setting, load, shape, device=device)
    saved, loss = _step(ready)
    weights = list(ready.model.parameters())
    gradients = sum(_size(one.grad) for one in weights if one.grad is not None)
    ready.optimizer.zero_grad()
    peak = None
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        _step(ready)
        peak = torch.cuda.max_memory_allocated()
    state = sum(
        _size(value)
        for one in ready.optimizer.state.values()
        for value in one.values()
        if isinstance(value, torch.Tensor) and value.dim()
    )
    return Measured(
        weights=sum(map(_size, weights)),
        gradients=gradients,
        optimizer=state,
        saved=saved,
        peak=peak,
        loss=loss,
    )


def _step(ready: Prepared) -> tuple[int, float]:
    """Bytes that autograd keeps, each storage once, and the loss."""
    kept: dict[int, int] = {}
    own = {one.untyped_storage().data_ptr() for one in (*ready.model.parameters(), *ready.tensors)}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = ready.loss()
    loss.backward()  # type: ignore[no-untyped-call]
    ready.optimizer.step()
    return sum(kept.values()), float(loss.detach())


def _size(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
