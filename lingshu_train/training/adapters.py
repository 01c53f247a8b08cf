"""Low-rank adapters on a model, by peft: which layers, the same start in every run, a strict way back, the merged model."""

from __future__ import annotations

import hashlib
import math
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.utils import ModulesToSaveWrapper
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel
from transformers.integrations import deepspeed as integration

from lingshu_train.errors import DataError
from lingshu_train.model import parts
from lingshu_train.model.family import Family
from lingshu_train.model.shape import PARTS, Part
from lingshu_train.training import lora
from lingshu_train.training.lora import Train

FOLDER = "adapter"
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
"""What peft writes and reads."""
_OWN_NAME = re.compile(r"\.modules_to_save\.default\.|(?<=\.lora_[AB])\.default\.")
"""What peft's names of parameters in memory have beside those in its files."""


def base_of(model: nn.Module) -> PreTrainedModel:
    """The transformers model below adapters, or the model itself."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def config(family: Family, model: PreTrainedModel, train: Train, *, where: str) -> LoraConfig | None:
    """What peft is to do with a model; None where nothing trains through an adapter.

    Layers are named whole, by a pattern that fits them alone, so that the vision tower's projections are never taken for the
    language model's. Parts that train whole go along as copies of their modules: peft then saves them with the adapter, and
    the model with its adapters off is the one that training started from.

    RecipeError: a part without a linear layer, or none of a target's name.
    """
    wanted = lora.adapters(train)
    if not wanted:
        return None
    layers = linear_layers(family, model)
    lora.check_layers(where, train, {str(part): found for part, found in layers.items()})
    chosen = {
        part: _patterns(name for name in layers[part] if one.takes(name)) for part, one in wanted.items()
    }
    first = next(iter(wanted.values()))
    ranks = {pattern: wanted[part].rank for part, found in chosen.items() for pattern in found}
    alphas = {pattern: wanted[part].scaled for part, found in chosen.items() for pattern in found}
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=first.rank,
        lora_alpha=first.scaled,  # type: ignore[arg-type]  # peft divides it by the rank
        lora_dropout=first.dropout,
        target_modules="|".join(ranks),
        rank_pattern=ranks if len(set(ranks.values())) > 1 else {},
        alpha_pattern=alphas if len(set(alphas.values())) > 1 else {},
        modules_to_save=_leaves(family, model, lora.whole(train)) or None,
    )


def linear_layers(family: Family, model: PreTrainedModel) -> dict[Part, tuple[str, ...]]:
    """Full names of the linear layers of each part, without the output head."""
    head = model.get_output_embeddings()
    found: dict[Part, list[str]] = {part: [] for part in PARTS}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and module is not head:
            found[parts.part_of(family, f"{name}.")].append(name)
    return {part: tuple(names) for part, names in found.items()}


def _patterns(names: Iterable[str]) -> list[str]:
    """Regular expressions of layers' full names, one for a kind of layer: numbers within a name stand for any."""
    return sorted({re.sub(r"(?<=\.)\d+(?=\\\.)", r"\\d+", re.escape(name)) for name in names})


def _leaves(family: Family, model: PreTrainedModel, whole: tuple[str, ...]) -> list[str]:
    """The modules that hold the parameters of the parts that train whole. Not the modules above them, whose attributes and
    loops a model's code may use; and none within another, of which peft would make two copies and fail to load either."""
    found = {
        name.rpartition(".")[0]
        for name, _ in model.named_parameters()
        if parts.part_of(family, name) in whole
    }
    return sorted(name for name in found if not any(name.startswith(f"{other}.") for other in found))


def begin(model: PeftModel, *, seed: int, base: str, revision: str, masters: bool, low: bool) -> None:
    """Make ready to train what TRL has wrapped: A as a function of the seed and of the layer's name alone, B zero.

    `base` and `revision` are what the adapter names as its model. `masters`: what trains is kept in float32, and, where the
    stage computes in bfloat16 (`low`), what is frozen is kept in that; DeepSpeed does both by itself.
    """
    if masters:
        _start_whole(model)
    for name, parameter in model.named_parameters():
        if masters and parameter.is_floating_point():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
            elif low:
                parameter.data = parameter.data.bfloat16()
        if ".lora_A." in name:
            _draw(parameter, f"{seed} {name}")
        elif ".lora_B." in name:
            nn.init.zeros_(parameter)
    active = model.peft_config[model.active_adapter]
    active.base_model_name_or_path, active.revision = base, revision or None
    # peft would ask the hub whether the base model's vocabulary has grown.
    model.save_pretrained = partial(  # type: ignore[method-assign]
        model.save_pretrained, save_embedding_layers=False
    )


def _start_whole(model: PeftModel) -> None:
    """Parts that train whole start from their own weights: beside a model in 4 bits TRL has rounded them."""
    for module in model.modules():
        if isinstance(module, ModulesToSaveWrapper):
            for copy in module.modules_to_save.values():
                for parameter, own in zip(
                    copy.parameters(), module.original_module.parameters(), strict=True
                ):
                    parameter.data = own.data.clone()


@torch.no_grad()
def _draw(parameter: nn.Parameter, key: str) -> None:
    """Uniform as peft draws it (Kaiming, a = sqrt(5)), on the host: (rank, inputs) values within 1 / sqrt(inputs)."""
    generator = torch.Generator().manual_seed(
        int.from_bytes(hashlib.sha256(key.encode()).digest()[:7], "big")
    )
    bound = 1 / math.sqrt(parameter.shape[1])
    drawn = torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator)
    parameter.copy_(drawn)


def load(model: PeftModel, folder: Path) -> None:
    """An adapter into the model that has its layers. DataError: a tensor is missing, superfluous or of another shape. peft
    itself leaves what is missing as it was, and says nothing (R2)."""
    saved, wanted = read(folder), _held(model)
    wrong = {
        "missing": sorted(wanted.keys() - saved.keys())[:3],
        "unexpected": sorted(saved.keys() - wanted.keys())[:3],
        "of another shape": [
            name for name in sorted(wanted.keys() & saved.keys()) if wanted[name].shape != saved[name].shape
        ][:3],
    }
    wrong = {what: names for what, names in wrong.items() if names}
    if wrong:
        raise DataError(f"{folder / WEIGHTS}: is not the adapter of this stage: {wrong}")
    set_peft_model_state_dict(model, saved)


def _held(model: PeftModel) -> dict[str, torch.Tensor]:
    """What of a model is its adapter, by the names that peft saves; nothing is asked of the hub."""
    found: dict[str, torch.Tensor] = get_peft_model_state_dict(model, save_embedding_layers=False)
    return found


def saved_name(name: str) -> str:
    """Under which name peft saves a parameter that trains."""
    return _OWN_NAME.sub(".", name)


def read(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of an adapter, by peft's names. DataError: no such file, or it cannot be read."""
    try:
        found: dict[str, torch.Tensor] = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as fault:
        raise DataError(f"{folder / WEIGHTS}: cannot be read: {fault}") from None
    return found


def unlike(model: PeftModel, folder: Path) -> list[str]:
    """Tensors that train and are not what the checkpoint's adapter holds. Collective under ZeRO-3, where ranks hold shares.

    DeepSpeed loads its own files, and without asking for every tensor where a model has adapters.
    """
    saved = read(folder)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with _gathered(trained):
        held = _held(model)
        return sorted(
            name
            for name in held.keys() | saved.keys()
            if name not in held
            or name not in saved
            or not torch.equal(held[name].cpu(), saved[name].to(held[name].dtype))
        )


def _gathered(parameters: list[nn.Parameter]) -> AbstractContextManager[None]:
    if not any(hasattr(parameter, "ds_id") for parameter in parameters):
        return nullcontext()
    from deepspeed import zero

    found: AbstractContextManager[None] = zero.GatheredParameters(parameters)
    return found


@contextmanager
def undivided() -> Iterator[None]:
    """Under ZeRO-3 transformers divides every model that is loaded, and asks all ranks for it; here one rank loads a whole
    one."""
    held = integration._hf_deepspeed_config_weak_ref
    integration.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        integration._hf_deepspeed_config_weak_ref = held


def keep(folder: Path) -> None:
    """Leave in a saved adapter's folder what makes it one, and neither processor nor peft's card."""
    for path in folder.iterdir():
        if path.name not in (WEIGHTS, CONFIG):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@torch.no_grad()
def dequantize(model: nn.Module, base: PreTrainedModel) -> None:
    """Give a model in full numbers the values that those of its weights have which lie in 4 bits in another. The 4 bits as
    they are, since another device might have rounded otherwise."""
    weights = dict(base.named_parameters())
    for name, parameter in base_of(model).named_parameters():
        state = getattr(parameter, "quant_state", None)
        if state is not None:
            from bitsandbytes.functional import dequantize_4bit

            weights[name.replace(".base_layer.", ".")].copy_(dequantize_4bit(parameter.data, state))


def merged(base: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """`base` with the adapter in `folder` added into its weights: a plain transformers model."""
    with torch.random.fork_rng(devices=[]):
        opened = get_peft_model(base, LoraConfig.from_pretrained(str(folder)))
    load(opened, folder)
    found: PreTrainedModel = opened.merge_and_unload(safe_merge=True)
    return found


def facts(family: Family, model: PeftModel, train: Train) -> Mapping[str, object]:
    """What the manifest says of adapters, by part: how each trains, and with how many parameters."""
    wanted = lora.adapters(train)
    trained = dict.fromkeys(lora.named(train), 0)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            trained[parts.part_of(family, name)] += parts.whole_shape(parameter).numel()
    return {
        part: {
            "parameters": number,
            **(
                {"lora": wanted[part].model_dump(mode="json") | {"alpha": wanted[part].scaled}}
                if part in wanted
                else {}
            ),
        }
        for part, number in trained.items()
    }
