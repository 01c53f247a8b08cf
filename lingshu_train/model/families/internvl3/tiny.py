"""A small InternVL from nothing: the real class, random weights."""

from __future__ import annotations

import torch
from torch import nn
from transformers import InternVLConfig, InternVLForConditionalGeneration, PreTrainedTokenizerBase

from lingshu_train.model.families.internvl3.shape import IMAGE, PATCH, SHRINK, Shape

SCALE = 1.0
"""What a layer of the tower adds to its input is multiplied by this at first. Published towers began with a tenth, which a few
hundred steps do not undo."""


def model(
    shape: Shape, words: PreTrainedTokenizerBase, *, initializer_range: float, seed: int
) -> InternVLForConditionalGeneration:
    """Random weights from `seed`, those of positions too: upstream's are zeros, so that a tower cannot tell where it looks."""
    config = _config(shape, words, initializer_range=initializer_range)
    torch.manual_seed(seed)
    built = InternVLForConditionalGeneration(config)
    with torch.no_grad():
        places = built.model.vision_tower.embeddings
        for parameter in (places.position_embeddings, places.cls_token):
            nn.init.normal_(parameter, std=initializer_range)
    built.generation_config.eos_token_id = words.eos_token_id
    built.generation_config.pad_token_id = words.pad_token_id
    return built


def _config(shape: Shape, words: PreTrainedTokenizerBase, *, initializer_range: float) -> InternVLConfig:
    text, vision = shape.text, shape.vision
    token = words.convert_tokens_to_ids
    return InternVLConfig(
        text_config={
            "model_type": "qwen2",
            "hidden_size": text.hidden,
            "num_hidden_layers": text.layers,
            "num_attention_heads": text.heads,
            "num_key_value_heads": text.key_value_heads,
            "intermediate_size": text.intermediate,
            "vocab_size": text.vocabulary,
            "max_position_embeddings": shape.context,
            "rope_parameters": {"rope_type": "default", "rope_theta": text.rope_theta},
            "initializer_range": initializer_range,
            "tie_word_embeddings": text.tied,
            "bos_token_id": token("<|endoftext|>"),
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        vision_config={
            "hidden_size": vision.hidden,
            "num_hidden_layers": vision.depth,
            "num_attention_heads": vision.heads,
            "intermediate_size": vision.intermediate,
            "image_size": vision.tile,
            "patch_size": PATCH,
            "attention_bias": vision.bias,
            "norm_type": vision.norm,
            "use_qk_norm": vision.query_key_norm,
            "layer_scale_init_value": SCALE,
            "initializer_range": initializer_range,
        },
        image_token_id=token(IMAGE),
        image_seq_length=(vision.tile // PATCH // SHRINK) ** 2,
        downsample_ratio=1 / SHRINK,
        tie_word_embeddings=text.tied,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
