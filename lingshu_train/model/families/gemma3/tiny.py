"""A small Gemma 3 from nothing: the real class, random weights."""

from __future__ import annotations

import torch
from torch import nn
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from lingshu_train.model.families import _tiny
from lingshu_train.model.families.gemma3.shape import END, IMAGE, PATCH, START, TURN_ENDS, Shape


def model(
    shape: Shape, words: PreTrainedTokenizerBase, *, initializer_range: float, seed: int
) -> PreTrainedModel:
    """Random weights from `seed`, the merger's too: upstream's are zeros, with which no picture says anything."""
    config = _config(shape, words, initializer_range=initializer_range)
    built = _tiny.drawn(Gemma3ForConditionalGeneration, config, words, seed=seed)
    with torch.no_grad():
        merger = built.model.multi_modal_projector.mm_input_projection_weight
        nn.init.normal_(merger, std=initializer_range)
    built.generation_config.bos_token_id = words.bos_token_id
    built.generation_config.eos_token_id = [words.eos_token_id, words.convert_tokens_to_ids(TURN_ENDS)]
    return built


def _config(shape: Shape, words: PreTrainedTokenizerBase, *, initializer_range: float) -> Gemma3Config:
    sizes, vision = shape.text, shape.vision
    token = words.convert_tokens_to_ids
    whole = {"rope_type": "default", "rope_theta": sizes.rope_theta}
    if sizes.rope_factor != 1.0:
        whole |= {"rope_type": "linear", "factor": sizes.rope_factor}
    return Gemma3Config(
        text_config={
            **_tiny.text(shape, words, initializer_range=initializer_range),
            "head_dim": sizes.head,
            "bos_token_id": words.bos_token_id,
            "query_pre_attn_scalar": sizes.query_scale,
            "sliding_window": sizes.window,
            "layer_types": [
                "sliding_attention" if number % sizes.pattern else "full_attention"
                for number in range(1, sizes.layers + 1)
            ],
            "rope_parameters": {
                "full_attention": whole,
                "sliding_attention": {"rope_type": "default", "rope_theta": sizes.rope_theta_local},
            },
        },
        vision_config={
            "model_type": "siglip_vision_model",
            **_tiny.tower(shape),
            "image_size": vision.side,
            "patch_size": PATCH,
            "vision_use_head": False,
        },
        mm_tokens_per_image=vision.tokens,
        boi_token_index=token(START),
        eoi_token_index=token(END),
        image_token_index=token(IMAGE),
        initializer_range=initializer_range,
        eos_token_id=[words.eos_token_id, token(TURN_ENDS)],
        pad_token_id=words.pad_token_id,
    )
