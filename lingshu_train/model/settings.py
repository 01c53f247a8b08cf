"""The recipe's model block: which weights, at what precision, how many pixels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lingshu_train.model.shape import Shape
from lingshu_train.schema import Strict


class Build(Strict):
    """How to make a model from nothing. `vocabulary` bounds the tokenizer trained on the prepared corpus."""

    initializer_range: float = Field(default=0.02, gt=0)


class Settings(Strict):
    """`base` is a hub id or a folder; empty where a `build` stage makes the model. Pixels bound one resized image:
    one visual token covers 28 x 28 of them."""

    base: str = ""
    revision: str = ""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    gradient_checkpointing: bool = False
    min_pixels: int = Field(gt=0)
    max_pixels: int = Field(gt=0)
    system_prompt: str = ""
    shape: Shape
    build: Build | None = None
