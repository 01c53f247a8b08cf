"""A small Qwen3-VL from nothing: the real class, random weights."""

from __future__ import annotations

from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from lingshu_train.model.families import _tiny
from lingshu_train.model.families.qwen3_vl.shape import Shape


def model(
    shape: Shape, words: PreTrainedTokenizerBase, *, initializer_range: float, seed: int
) -> PreTrainedModel:
    """Random weights from `seed`."""
    config = _config(shape, words, initializer_range=initializer_range)
    return _tiny.drawn(Qwen3VLForConditionalGeneration, config, words, seed=seed)


def _config(shape: Shape, words: PreTrainedTokenizerBase, *, initializer_range: float) -> Qwen3VLConfig:
    sizes, vision = shape.text, shape.vision
    text = _tiny.text(shape, words, initializer_range=initializer_range)
    token = words.convert_tokens_to_ids
    return Qwen3VLConfig(
        text_config={
            **text,
            "head_dim": sizes.head,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": sizes.rope_theta,
                "mrope_section": list(sizes.mrope_section),
                "mrope_interleaved": True,
            },
            "tie_word_embeddings": sizes.tied,
            "bos_token_id": token("<|endoftext|>"),
        },
        vision_config={
            "hidden_size": vision.hidden,
            "out_hidden_size": sizes.hidden,
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
        tie_word_embeddings=sizes.tied,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
