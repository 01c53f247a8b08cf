"""Models without weights and the stand-ins for what runs on a GPU alone: flash attention, the head's kernels, 4-bit layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from peft import get_peft_model
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.initialization import no_init_weights
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from trl.kernels import chunked_logprob
from trl.trainer import utils

from lingshu_train.model import load, parts
from lingshu_train.model.attention import SDPA, by_sample
from lingshu_train.model.family import Family
from lingshu_train.model.settings import Settings
from lingshu_train.model.shape import Shape
from lingshu_train.simulation.meter import Meter
from lingshu_train.training import adapters, lora
from lingshu_train.training.config import TrainingConfig

FLASH = "flash_attention_2"


def attention(settings: Settings, *, on_gpu: bool) -> str:
    """What `model.attention` comes to: `auto` takes flash attention on a GPU, where training finds a package that has it."""
    return settings.attention if settings.attention != "auto" else FLASH if on_gpu else SDPA


def model(
    family: Family, settings: Settings, shape: Shape, words: PreTrainedTokenizerBase, *, on_gpu: bool = True
) -> PreTrainedModel:
    """The real class at the sizes of `shape`, without storages: its tensors are torch's meta tensors."""
    with torch.device("meta"), no_init_weights():
        found = family.build_model(shape, words, initializer_range=0.02, seed=0)
    for module in found.modules():
        config = getattr(module, "config", None)
        if config is not None and hasattr(config, "_attn_implementation"):
            config._attn_implementation = attention(settings, on_gpu=on_gpu)
    by_sample(found)
    family.quicken(found)
    return found


def prepare(
    family: Family,
    found: PreTrainedModel,
    settings: Settings,
    config: TrainingConfig,
    *,
    mode: FakeTensorMode | None,
    divided: bool,
) -> nn.Module:
    """Frozen, wrapped and in the number formats that training has (training/session.py, training/adapters.py), on fake
    storages; without a mode on those that it has."""
    parts.freeze_all_but(family, found, lora.whole(config.train))
    wanted = adapters.config(family, found, config.train, where="train")
    whole: nn.Module = found
    if wanted is not None:
        if settings.quantize != "none":
            _pack(family, found)
        whole = get_peft_model(found, wanted)
        # TRL does so beside checkpointing, whatever trains.
        found.enable_input_require_grads()
    low = load.DTYPES[settings.dtype]
    lowered = wanted is not None

    def kept(parameter: nn.Parameter) -> torch.dtype:
        return low if divided or (lowered and not parameter.requires_grad) else torch.float32

    if mode is None:
        for parameter in whole.parameters():
            parameter.data = parameter.data.to(kept(parameter))
    else:
        _store(whole, kept, mode)
    return whole


def _store(whole: nn.Module, kept: Callable[[nn.Parameter], torch.dtype], mode: FakeTensorMode) -> None:
    """Every tensor of a model onto a fake storage of its own; what is tied stays one."""
    made: dict[int, nn.Parameter] = {}
    with mode:
        for module in whole.modules():
            for name, parameter in module._parameters.items():
                if parameter is None:
                    continue
                if id(parameter) not in made:
                    tensor = torch.empty(parameter.shape, dtype=kept(parameter), device="cpu")
                    made[id(parameter)] = nn.Parameter(tensor, requires_grad=parameter.requires_grad)
                module._parameters[name] = made[id(parameter)]
            for name, buffer in module._buffers.items():
                if buffer is not None and buffer.is_meta:
                    module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device="cpu")


class FourBit(nn.Linear):
    """A layer in 4 bits as bitsandbytes computes it: its weight is unpacked whole for each product and then dropped, and
    neither it nor the input is kept for the backward pass (bitsandbytes/autograd/_functions.py: MatMul4Bit)."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        def dropped(weight: torch.Tensor) -> torch.Size:
            # As the product has it, which may be turned.
            return weight.shape

        # The hooks live as long as the graph, and may hold no activation.
        unpacked = self.weight.new_empty
        with torch.autograd.graph.saved_tensors_hooks(dropped, unpacked):
            found = nn.functional.linear(input.to(self.weight.dtype), unpacked(self.weight.shape))
        return found if self.bias is None else found + self.bias.to(found.dtype)


def _pack(family: Family, found: PreTrainedModel) -> None:
    head = found.get_output_embeddings()
    for name, module in found.named_modules():
        if (
            isinstance(module, nn.Linear)
            and module is not head
            and parts.part_of(family, f"{name}.") == "language_model"
        ):
            module.__class__ = FourBit


class _Flash(torch.autograd.Function):
    """What FlashAttention-2 allocates (csrc/flash_attn/flash_api.cpp: mha_varlen_fwd, mha_varlen_bwd): output and log-sum-exp;
    backward the gradients, one key and value for every query head before they are summed, and a float32 sum of the queries'."""

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, work: int, meter: Meter
    ) -> torch.Tensor:
        out = torch.empty_like(query)
        sums = query.new_empty(query.shape[:-1], dtype=torch.float32)
        ctx.save_for_backward(query, key, value, out, sums)
        ctx.work, ctx.meter = work, meter
        return out

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, _, sums = ctx.saved_tensors
        total = torch.empty_like(query, dtype=torch.float32)
        beside = torch.empty_like(sums)
        for_query = torch.empty_like(query)
        shared = query.shape[1] // key.shape[1]
        wide = [query.new_empty(query.shape) for _ in range(2)] if shared > 1 else []
        for_key, for_value = torch.empty_like(key), torch.empty_like(value)
        # Five products where the forward pass has two.
        ctx.meter.worked(5 * ctx.work // 2)
        del total, beside, wide
        return for_query, for_key, for_value, None, None


def _attention(meter: Meter, lengths: Sequence[int]) -> Any:
    """In place of flash attention: (B, heads, L, width) to (B, L, heads, width). `lengths` are those of the text's samples."""

    def attend(
        module: nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, None]:
        borders = kwargs.get("cu_seq_lens_q")
        own = torch.diff(borders).tolist() if isinstance(borders, torch.Tensor) else lengths
        if sum(own) != query.shape[0] * query.shape[2]:
            own = [query.shape[2]] * query.shape[0]
        work = 4 * query.shape[1] * query.shape[3] * sum(one * one for one in own)
        if attention_mask is not None:
            # Padding is taken out before and put back after: a copy of each.
            query, key, value = query.clone(), key.clone(), value.clone()
        meter.worked(work)
        whole = _Flash.apply(query, key, value, work, meter)  # type: ignore[no-untyped-call]
        found = whole.transpose(1, 2)
        return (found.clone() if attention_mask is not None else found), None

    return attend


class _Kernel:
    """A Triton kernel that works in registers and in its tile."""

    def __getitem__(self, grid: object) -> Any:
        return lambda *args, **kwargs: None


@contextmanager
def kernels(meter: Meter | None, lengths: Sequence[int], *, gpu: bool) -> Iterator[None]:
    """The head at labelled positions (training/head.py); with `gpu` flash attention and the head's Triton kernels by what they
    allocate and compute. For a while."""

    def summed(total: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
        assert meter is not None
        meter.worked(2 * left.shape[0] * left.shape[1] * right.shape[1])

    replaced = {
        "_forward_kernel": _Kernel(),
        "_backward_kernel": _Kernel(),
        "_use_triton": lambda device: True,
        "_addmm_fp32": summed,
        "triton": SimpleNamespace(cdiv=lambda size, each: -(-size // each)),
    }
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(utils, "_use_triton", lambda device: True))
        # As a GPU runs it, whatever a stage that trained in this process before has put there.
        head = chunked_logprob.ChunkedLogProbFunction
        stack.enter_context(mock.patch.object(utils, "_ChunkedLogProbFunction", head))
        if gpu and meter is not None:
            for name, value in replaced.items():
                stack.enter_context(mock.patch.object(chunked_logprob, name, value, create=True))
            attention = {FLASH: _attention(meter, lengths)}
            stack.enter_context(mock.patch.dict(ALL_ATTENTION_FUNCTIONS._global_mapping, attention))
        yield
