"""Qwen2.5-VL's forward pass on one sample, from the weights' file, in float64 and with attention written out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import gelu, silu

from .examples import Example
from .pictures import MERGE, PATCH

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Model:
    """What a model folder says of its sizes."""

    config: dict[str, Any]

    @property
    def padding(self) -> int:
        """The token whose embedding does not learn as an input (torch's padding_idx)."""
        return int(self.config["pad_token_id"])


def read(folder: Path) -> tuple[Model, Weights]:
    """The model of a folder, its weights in float64 and with gradients."""
    model = Model(json.loads((folder / "config.json").read_text()))
    found: Weights = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    return model, {_name(name): value.double().requires_grad_() for name, value in found.items()}


def _name(stored: str) -> str:
    """As published. From under ZeRO-3, transformers 5.23 writes the language model's names with one `model.` too many."""
    return stored.removeprefix("model.") if stored.startswith("model.model.") else stored


def logits(model: Model, weights: Weights, example: Example) -> Tensor:
    """(L, vocabulary)."""
    text = model.config["text_config"]
    ids = torch.tensor(example.ids)
    table = weights["model.embed_tokens.weight"]
    embedded = table[ids]
    if (ids == model.padding).any():
        embedded = torch.where((ids == model.padding)[:, None], embedded.detach(), embedded)
    if len(example.pixels):
        shown = (ids == example.picture_token).nonzero()[:, 0]
        embedded = embedded.index_put((shown,), _seen(model, weights, example))
    states = embedded
    turn = _turns(text, torch.from_numpy(example.positions))
    later = torch.ones(len(ids), len(ids), dtype=torch.bool).triu(1)
    for layer in range(text["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        states = states + _attended(text, weights, at, states, turn, later)
        normed = _normed(states, weights[at + "post_attention_layernorm.weight"], text["rms_norm_eps"])
        gate, up = (
            normed @ weights[at + "mlp.gate_proj.weight"].T,
            normed @ weights[at + "mlp.up_proj.weight"].T,
        )
        states = states + (silu(gate) * up) @ weights[at + "mlp.down_proj.weight"].T
    states = _normed(states, weights["model.norm.weight"], text["rms_norm_eps"])
    return states @ weights.get("lm_head.weight", table).T


def _attended(
    text: dict[str, Any], weights: Weights, at: str, states: Tensor, turn: Tensor, later: Tensor
) -> Tensor:
    heads, shared = text["num_attention_heads"], text["num_key_value_heads"]
    normed = _normed(states, weights[at + "input_layernorm.weight"], text["rms_norm_eps"])
    asked, known, told = (
        normed @ weights[f"{at}self_attn.{name}_proj.weight"].T + weights[f"{at}self_attn.{name}_proj.bias"]
        for name in "qkv"
    )
    query = _turned(_by_head(asked, heads), turn)
    key = _turned(_by_head(known, shared), turn).repeat_interleave(heads // shared, dim=0)
    value = _by_head(told, shared).repeat_interleave(heads // shared, dim=0)
    mixed = _attention(query, key, value, hidden=later)
    return mixed @ weights[at + "self_attn.o_proj.weight"].T


def _seen(model: Model, weights: Weights, example: Example) -> Tensor:
    """Tokens of the sample's pictures, each picture by itself."""
    pixels, found = torch.from_numpy(example.pixels), []
    for grid in example.grids:
        mine, pixels = pixels[: grid.high * grid.wide], pixels[grid.high * grid.wide :]
        found.append(_tower(model.config["vision_config"], weights, mine, grid.high, grid.wide))
    return torch.cat(found)


def _tower(vision: dict[str, Any], weights: Weights, pixels: Tensor, high: int, wide: int) -> Tensor:
    """(tokens, hidden of the language model) of one picture's patches (high * wide, 1176)."""
    heads = vision["num_heads"]
    # A token's patches follow one another: where each patch stands in the picture.
    rows, columns = torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij")
    rows, columns = _token_by_token(rows), _token_by_token(columns)
    size = vision["hidden_size"] // heads
    rates = _rates(size // 2, vision["rope_parameters"]["rope_theta"])
    turn = torch.cat([rows[:, None] * rates, columns[:, None] * rates], dim=1)
    side = vision["window_size"] // PATCH
    window = rows // side * wide + columns // side
    apart = window[:, None] != window[None]
    states = pixels @ weights["visual.patch_embed.proj.weight"].flatten(1).T
    for block in range(vision["depth"]):
        at = f"visual.blocks.{block}."
        hidden = None if block in vision["fullatt_block_indexes"] else apart
        three = _linear(weights, at + "attn.qkv", _normed(states, weights[at + "norm1.weight"], 1e-6))
        asked, known, value = (_by_head(part, heads) for part in three.chunk(3, dim=1))
        mixed = _attention(_turned(asked, turn), _turned(known, turn), value, hidden=hidden)
        states = states + _linear(weights, at + "attn.proj", mixed)
        normed = _normed(states, weights[at + "norm2.weight"], 1e-6)
        inner = silu(_linear(weights, at + "mlp.gate_proj", normed)) * _linear(
            weights, at + "mlp.up_proj", normed
        )
        states = states + _linear(weights, at + "mlp.down_proj", inner)
    normed = _normed(states, weights["visual.merger.ln_q.weight"], 1e-6)
    joined = normed.reshape(high * wide // MERGE**2, -1)
    return _linear(weights, "visual.merger.mlp.2", gelu(_linear(weights, "visual.merger.mlp.0", joined)))


def _token_by_token(grid: Tensor) -> Tensor:
    high, wide = grid.shape
    parts = grid.reshape(high // MERGE, MERGE, wide // MERGE, MERGE)
    return parts.transpose(1, 2).reshape(-1)


def _turns(text: dict[str, Any], positions: Tensor) -> Tensor:
    """Angles (L, half a head): the first of them by time, then by height, then by width."""
    rope = text["rope_parameters"]
    rates = _rates(text["hidden_size"] // text["num_attention_heads"], rope["rope_theta"])
    axis = torch.repeat_interleave(torch.arange(3), torch.tensor(rope["mrope_section"]))
    return positions[axis].T * rates


def _rates(size: int, base: float) -> Tensor:
    return base ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)


def _turned(states: Tensor, angles: Tensor) -> Tensor:
    """RoPE: the i-th of the first half of a head and of its second half are a plane, turned by the i-th angle."""
    one, two = states.chunk(2, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([one * cos - two * sin, two * cos + one * sin], dim=-1)


def _attention(query: Tensor, key: Tensor, value: Tensor, *, hidden: Tensor | None) -> Tensor:
    """(L, heads * size) of (heads, L, size)."""
    scores = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5
    if hidden is not None:
        scores = scores.masked_fill(hidden, -torch.inf)
    return (torch.softmax(scores, dim=-1) @ value).transpose(0, 1).flatten(1)


def _by_head(states: Tensor, heads: int) -> Tensor:
    return states.reshape(len(states), heads, -1).transpose(0, 1)


def _linear(weights: Weights, name: str, states: Tensor) -> Tensor:
    return states @ weights[name + ".weight"].T + weights[name + ".bias"]


def _normed(states: Tensor, weight: Tensor, least: float) -> Tensor:
    return weight * states / (states.square().mean(dim=-1, keepdim=True) + least).sqrt()
