"""The same pass for real, on this machine's processor or GPU, to hold a simulation against."""

from __future__ import annotations

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


def run(setting: Setting, load: Load, shape: Shape, *, device: str = "cpu") -> Measured:
    """Two steps of a model of that shape with random weights, with AdamW, as one process trains."""
    architecture = families.of(setting.settings.family)
    processor = passing.processor_of(architecture, setting.settings)
    torch.manual_seed(0)
    found = architecture.build_model(shape, processor.tokenizer, initializer_range=0.02, seed=0)
    found.set_attn_implementation(fake.attention(setting.settings, on_gpu=setting.on_gpu))
    by_sample(found)
    architecture.quicken(found)
    batch = passing.batch_of(architecture, load, processor, found)
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

    taken = {name: given(one) for name, one in batch.items()}
    groups = parts.optimizer_groups(
        architecture,
        whole,
        learning_rate=dict.fromkeys(setting.config.trains, 1e-5),
        weight_decay=0.0,
    )
    optimizer = torch.optim.AdamW([dict(group) for group in groups], fused=device == "cuda")
    saved, loss = _step(setting, whole, taken, optimizer, load)
    gradients = sum(_size(one.grad) for one in whole.parameters() if one.grad is not None)
    optimizer.zero_grad()
    peak = None
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        _step(setting, whole, taken, optimizer, load)
        peak = torch.cuda.max_memory_allocated()
    state = sum(
        _size(value)
        for one in optimizer.state.values()
        for value in one.values()
        if isinstance(value, torch.Tensor) and value.dim()
    )
    return Measured(
        weights=sum(map(_size, whole.parameters())),
        gradients=gradients,
        optimizer=state,
        saved=saved,
        peak=peak,
        loss=loss,
    )


def _step(
    setting: Setting,
    whole: nn.Module,
    batch: dict[str, object],
    optimizer: torch.optim.Optimizer,
    load: Load,
) -> tuple[int, float]:
    """Bytes that autograd keeps, each storage once, and the loss."""
    kept: dict[int, int] = {}
    tensors = [one for one in batch.values() if isinstance(one, torch.Tensor)]
    weights = {one.untyped_storage().data_ptr() for one in (*whole.parameters(), *tensors)}
    device = tensors[0].device.type

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    low = setting.settings.dtype == "bfloat16" and not setting.divided
    with fake.kernels(None, [], gpu=False):
        with (
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
            torch.autocast(device, torch.bfloat16, enabled=low),
        ):
            out = whole(**batch, fused_lm_head=True, num_items_in_batch=load.answer * load.rows)
        loss = out.loss
        del out
        loss.backward()
    optimizer.step()
    return sum(kept.values()), float(loss.detach())


def _size(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
