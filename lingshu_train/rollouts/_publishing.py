"""A model as a folder that a server of this machine opens: its tensors lie in memory, and go when this process does."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import save
from transformers import PreTrainedModel, ProcessorMixin

from lingshu_train.errors import OutputFailed
from lingshu_train.model.family import Family
from lingshu_train.runs.files import write_json

SHARD = 1 << 30
"""Bytes of tensors in one file."""


class Publication:
    """A folder with config, processor and tensors of a model, as everyone's software reads it.

    The tensor files are anonymous memory of this process, reached through /proc by links in the folder: no disk is written, no
    size of /dev/shm limits them, and nothing of them is left behind a process that is killed. With `shared` they are files, for
    servers that see the folder and not this process.
    """

    def __init__(self, folder: Path, *, family: Family, text: ProcessorMixin, shared: bool = False) -> None:
        self.folder = folder
        self._family, self._text, self._shared = family, text, shared
        self._open: list[int] = []

    def write(self, model: PreTrainedModel | PeftModel, dtype: torch.dtype) -> None:
        """Instead of what the folder held. OutputFailed (74): there is no room."""
        try:
            self._write(model, dtype)
        except OSError as fault:
            raise OutputFailed(f"{self.folder}: weights for the engine: {fault.strerror}") from None

    def close(self) -> None:
        """Let go of the tensors."""
        for each in self._open:
            os.close(each)
        self._open = []
        if not self._shared:
            for path in self.folder.glob("*.safetensors"):
                path.unlink()

    def _write(self, model: PreTrainedModel | PeftModel, dtype: torch.dtype) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self.folder / "config.json").exists():
            self._family.write_for_everyone(self._text, self.folder)
            _below(model).config.save_pretrained(self.folder)
            _untie(self.folder / "config.json")
        before, self._open, names = self._open, [], set()
        for number, shard in enumerate(shards(model, dtype, device=torch.device("cpu"))):
            name = f"model-{number:05d}.safetensors"
            names.add(name)
            self._put(name, save(shard, metadata={"format": "pt"}))
        for path in self.folder.glob("*.safetensors"):
            if path.name not in names:
                path.unlink()
        for each in before:
            os.close(each)

    def _put(self, name: str, data: bytes) -> None:
        new = self.folder / f".{name}"
        new.unlink(missing_ok=True)
        if self._shared:
            new.write_bytes(data)
        else:
            descriptor = os.memfd_create(name)
            self._open.append(descriptor)
            with os.fdopen(os.dup(descriptor), "wb") as stream:
                stream.write(data)
            new.symlink_to(f"/proc/{os.getpid()}/fd/{descriptor}")
        new.replace(self.folder / name)


def _untie(path: Path) -> None:
    """The output head is written for itself: vLLM (0.32, on a CPU) keeps its own copy of a head that is tied to the embedding,
    and new weights never reach it."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["tie_word_embeddings"] = False
    if "text_config" in config:
        config["text_config"]["tie_word_embeddings"] = False
    write_json(path, config)


@torch.no_grad()
def shards(
    model: PreTrainedModel | PeftModel, dtype: torch.dtype, *, device: torch.device
) -> Iterator[dict[str, torch.Tensor]]:
    """Copies of the weights as the model answers, in a number format, on a device; about SHARD bytes at a time."""
    shard: dict[str, torch.Tensor] = {}
    size = 0
    for name, tensor in tensors(model):
        # Copied: what is tied shares memory, and safetensors writes none of that.
        one = tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else tensor.dtype, copy=True)
        shard[name] = one.contiguous()
        size += one.nbytes
        if size >= SHARD:
            yield shard
            shard, size = {}, 0
    yield shard


def tensors(model: PreTrainedModel | PeftModel) -> Iterator[tuple[str, torch.Tensor]]:
    """Names and weights of a model as it answers: an adapter is added to what lies below it, which stays as it is."""
    below = _below(model)
    layers = dict(below.named_modules())
    active = model.active_adapter if isinstance(model, PeftModel) else ""
    for name, tensor in below.state_dict().items():
        if ".lora_" in name or ".original_module." in name:
            continue
        layer, adapted, field = name.partition(".base_layer.")
        if adapted:
            weight = (
                tensor.float() + layers[layer].get_delta_weight(active).float()
                if field == "weight"
                else tensor
            )
            yield f"{layer}.{field}", weight
        else:
            yield name.replace(f".modules_to_save.{active}", "") if active else name, tensor


def _below(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    found: PreTrainedModel = model.get_base_model() if isinstance(model, PeftModel) else model
    return found
