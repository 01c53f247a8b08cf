"""A small Qwen3-VL from nothing: the real class, random weights."""

from __future__ import annotations

import torch
from transformers import PreTrainedTokenizerBase, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from lingshu_train.model.families.qwen3_vl.shape import Shape


def model(
    shape: Shape, words: PreTrainedTokenizerBase, *, initializer_range: float, seed: int
) -> Qwen3VLForConditionalGeneration:
    """Random weights from `seed`."""
    config = _config(shape, words, initializer_range=initializer_range)
    torch.manual_seed(seed)
    built = Qwen3VLForConditionalGeneration(config)
    built.generation_config.eos_token_id = words.eos_token_id
    built.generation_config.pad_token_id = words.pad_token_id
    return built


def _config(shape: Shape, words: PreTrainedTokenizerBase, *, initializer_range: float) -> Qwen3VLConfig:
    text, vision = shape.text, shape.vision
    token = words.convert_tokens_to_ids
    return Qwen3VLConfig(
        text_config={
            "hidden_size": text.hidden,
            "num_hidden_layers": text.layers,
            "num_attention_heads": text.heads,
            "num_key_value_heads": text.key_value_heads,
            "head_dim": text.head,
            "intermediate_size": text.intermediate,
            "vocab_size": text.vocabulary,
            "max_position_embeddings": shape.context,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": text.rope_theta,
                "mrope_section": list(text.mrope_section),
                "mrope_interleaved": True,
            },
            "initializer_range": initializer_range,
            "tie_word_embeddings": text.tied,
            "bos_token_id": token("<|endoftext|>"),
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        vision_config={
            "hidden_size": vision.hidden,
            "out_hidden_size": text.hidden,
            "depth": vision.depth,
            "num_heads": vision.heads,
            "intermediate_size": vision.intermediate,
            "patch_size": vision.patch,
            "spatial_merge_size": vision.merge,
            "temporal_patch_size": vision.temporal_patch,
            "num_position_embeddings": vision.positions,
            "deepstack_visual_indexes": list(vision.deepstack),
            "initializer_range": initializer_range,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=text.tied,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
