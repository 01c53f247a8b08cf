"""Counts what a pass allocates and computes: every storage by who made it, peaks by phase, operations by torch's formulas."""

from __future__ import annotations

import math
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from lingshu_train.simulation.passed import AGAIN, BACK, COPIES, GRADIENTS, Maker, Phase

aten = torch.ops.aten

_ATTENTION = {
    aten._scaled_dot_product_flash_attention_for_cpu: (0, 4),
    aten._scaled_dot_product_flash_attention_for_cpu_backward: (1, 10),
}
"""Where the queries (B, heads, L, width) stand among the arguments, and operations for each of their numbers and each key: two
products of two forward, five backward."""

_FACTORIES = {aten.zeros.default, aten.empty.memory_format, aten.ones.default, aten.full.default}
_LARGE = 2**20
"""Bytes."""

_MAKERS: dict[Phase, Maker] = {
    "begin": "rest",
    "vision": "vision",
    "text": "text",
    "head": "head",
    "text_back": "text",
    "vision_back": "vision",
}


@dataclass
class Peak:
    """The most that lay there at once in one phase, in bytes, by who made it."""

    total: int = 0
    by: dict[str, int] = field(default_factory=dict)

    def raised(self, total: int, live: Mapping[str, int]) -> None:
        if total > self.total:
            self.total, self.by = total, dict(live)


class Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Enter it around a forward and a backward pass.

    Tensors on fake storages and real ones (indices, masks, lengths) are counted alike, since on a GPU all of them would lie
    there. `given` are there already and are not counted: weights, buffers, the batch. Torch's own MemTracker
    (torch.distributed._tools) counts the same storages by module; it knows no real tensors beside fake ones, and not who made
    what.
    """

    def __init__(self, mode: FakeTensorMode, given: Iterable[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._mode = mode
        self._given = [one.untyped_storage() for one in given]
        self._weights = {one._cdata for one in self._given}
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        self.phase: Phase = "begin"
        self.live: Counter[str] = Counter()
        self.total = 0
        self.gradients: Counter[str] = Counter()
        self.peaks: dict[Phase, Peak] = {phase: Peak() for phase in _MAKERS}
        """Without gradients of parameters."""
        self.with_gradients: dict[Phase, Peak] = {phase: Peak() for phase in _MAKERS}
        self.saved: dict[str, int] = {}
        """What lay there between the forward and the backward pass."""
        self.flops: Counter[str] = Counter()
        """Operations by who did them, those of the backward pass apart."""
        self._backward = False

    def begin_backward(self) -> None:
        self.saved = dict(self.live)
        self._backward = True

    def watch_gradients(self, model: nn.Module, maker: Callable[[str], Maker]) -> None:
        """Count each gradient as it is whole, and free it: where it lies from then on is a matter of how it is divided."""
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                counted = self._counted(GRADIENTS + maker(name))
                parameter.register_post_accumulate_grad_hook(counted)  # type: ignore[no-untyped-call]

    def _counted(self, key: str) -> Callable[[torch.Tensor], None]:
        def counted(parameter: torch.Tensor) -> None:
            assert parameter.grad is not None
            size = parameter.grad.numel() * parameter.grad.element_size()
            parameter.grad = None
            self.gradients[key] += size
            self._look()

        return counted

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = self._chosen(args) if self._chooses(func, args) else self._called(func, args, kwargs)
        self.count(func, args, kwargs, out)
        maker: str = _MAKERS[self.phase]
        if func is aten._to_copy.default and self._is_weight(args[0]):
            maker = COPIES + maker
        for one in tree_leaves(out):
            if isinstance(one, torch.Tensor):
                self._seen(one, maker)
        return out

    def _called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What is made of nothing would lie on real memory beside fake weights: a gradient of the head is 2 GB of zeros."""
        dtype = kwargs.get("dtype")
        floats = func in _FACTORIES and isinstance(dtype, torch.dtype) and dtype.is_floating_point
        large = floats and math.prod(args[0]) * dtype.itemsize >= _LARGE  # type: ignore[union-attr]
        with self._mode if large else nullcontext():
            return func(*args, **kwargs)

    def count(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        """Operations of one call; of none that torch has no formula for, the processor's attention aside."""
        if func._overloadpacket in _ATTENTION:
            first, times = _ATTENTION[func._overloadpacket]
            query, key = args[first], args[first + 1]
            self.worked(times * query.numel() * key.shape[-2])
            return
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.worked(int(formula(*args, **kwargs, out_val=out)))

    def worked(self, operations: int) -> None:
        # Autograd's own passes run without gradients; a forward pass that is done again runs with them.
        which = (AGAIN if torch.is_grad_enabled() else BACK) if self._backward else ""
        self.flops[_MAKERS[self.phase] + which] += operations

    def _is_weight(self, tensor: object) -> bool:
        return isinstance(tensor, torch.Tensor) and tensor.untyped_storage()._cdata in self._weights

    def _chooses(self, func: Any, args: tuple[Any, ...]) -> bool:
        """Whether rows of a fake tensor are chosen by a real mask: how many there are is known, and torch would not look."""
        return (
            func is aten.index.Tensor
            and isinstance(args[0], FakeTensor)
            and len(args[1]) == 1
            and isinstance(args[1][0], torch.Tensor)
            and args[1][0].dtype == torch.bool
            and not isinstance(args[1][0], FakeTensor)
        )

    def _chosen(self, args: tuple[Any, ...]) -> torch.Tensor:
        whole, (mask,) = args
        chosen = int(mask.sum())
        with self._mode:
            return torch.empty((chosen, *whole.shape[mask.dim() :]), dtype=whole.dtype)

    def _seen(self, tensor: torch.Tensor, maker: str) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known or key in self._weights:
            return
        size = storage.nbytes()

        def gone(_: object) -> None:
            self.live[maker] -= size
            self.total -= size
            del self._known[key]

        self._known[key] = weakref.ref(storage, gone)
        self.live[maker] += size
        self.total += size
        self._look()

    def _look(self) -> None:
        self.peaks[self.phase].raised(self.total, self.live)
        whole = self.total + self.gradients.total()
        peak = self.with_gradients[self.phase]
        if whole > peak.total:
            peak.raised(whole, {**self.live, **self.gradients})
