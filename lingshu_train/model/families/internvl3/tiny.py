"""A small InternVL from nothing: the real class, random weights."""

from __future__ import annotations

import torch
from torch import nn
from transformers import (
    InternVLConfig,
    InternVLForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from lingshu_train.model.families import _tiny
from lingshu_train.model.families.internvl3.shape import IMAGE, PATCH, SHRINK, Shape

SCALE = 1.0
"""What a layer of the tower adds to its input is multiplied by this at first. Published towers began with a tenth, which a few
hundred steps do not undo."""


def model(
    shape: Shape, words: PreTrainedTokenizerBase, *, initializer_range: float, seed: int
) -> PreTrainedModel:
    """Random weights from `seed`, those of positions too: upstream's are zeros, so that a tower cannot tell where it looks."""
    config = _config(shape, words, initializer_range=initializer_range)
    built = _tiny.drawn(InternVLForConditionalGeneration, config, words, seed=seed)
    with torch.no_grad():
        places = built.model.vision_tower.embeddings
        for parameter in (places.position_embeddings, places.cls_token):
            nn.init.normal_(parameter, std=initializer_range)
    return built


def _config(shape: Shape, words: PreTrainedTokenizerBase, *, initializer_range: float) -> InternVLConfig:
    sizes, vision = shape.text, shape.vision
    token = words.convert_tokens_to_ids
    return InternVLConfig(
        text_config={
            **_tiny.text(shape, words, initializer_range=initializer_range),
            "model_type": "qwen2",
            "rope_parameters": {"rope_type": "default", "rope_theta": sizes.rope_theta},
            "tie_word_embeddings": sizes.tied,
            "bos_token_id": token("<|endoftext|>"),
        },
        vision_config={
            **_tiny.tower(shape),
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
        tie_word_embeddings=sizes.tied,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
