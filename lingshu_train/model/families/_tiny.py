"""A small model from nothing: what the configurations of most families say alike, and random weights."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from lingshu_train.model.families._sizes import Halves


def text(shape: Halves, words: PreTrainedTokenizerBase, *, initializer_range: float) -> dict[str, Any]:
    """What `text_config` says of a decoder."""
    sizes = shape.text
    return {
        "hidden_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.key_value_heads,
        "intermediate_size": sizes.intermediate,
        "vocab_size": sizes.vocabulary,
        "max_position_embeddings": shape.context,
        "initializer_range": initializer_range,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
    }


def tower(shape: Halves) -> dict[str, Any]:
    """What `vision_config` says of a tower that is named as language models are."""
    sizes = shape.vision
    return {
        "hidden_size": sizes.hidden,
        "num_hidden_layers": sizes.depth,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.intermediate,
    }


def drawn(
    architecture: type[PreTrainedModel],
    config: PreTrainedConfig,
    words: PreTrainedTokenizerBase,
    *,
    seed: int,
) -> PreTrainedModel:
    """Random weights from `seed`; generation ends with the tokenizer's own end."""
    torch.manual_seed(seed)
    built = architecture(config)
    built.generation_config.eos_token_id = words.eos_token_id
    built.generation_config.pad_token_id = words.pad_token_id
    return built
