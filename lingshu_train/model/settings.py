"""The recipe's model block: which weights, at what precision, how many pixels."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import Field, JsonValue, SerializeAsAny, ValidationInfo, field_validator, model_validator

from lingshu_train.model import shape
from lingshu_train.model.shape import PictureBudget, Shape
from lingshu_train.schema import Strict

FAMILY = "qwen2_5_vl"
"""Where a recipe names none: the paper's."""


class Build(Strict):
    """How to make a model from nothing. `vocabulary` bounds the tokenizer trained on the prepared corpus."""

    initializer_range: float = Field(default=0.02, gt=0)


class Settings(Strict):
    """`family` is a folder of model/families/, and `shape` is read as that family's Shape. `base` is a hub id or a folder;
    empty where a `build` stage makes the model. Pixels bound one picture as the model sees it."""

    family: str = FAMILY
    base: str = ""
    revision: str = ""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    gradient_checkpointing: bool = False
    min_pixels: int = Field(gt=0)
    max_pixels: int = Field(gt=0)
    system_prompt: str = ""
    shape: SerializeAsAny[Shape]
    build: Build | None = None

    @field_validator("shape", mode="plain")
    @classmethod
    def _of_the_family(cls, data: JsonValue | Shape, info: ValidationInfo) -> JsonValue | Shape:
        """pydantic merges a ValidationError raised here, so that its keys read `model.shape.text. ...`."""
        if "family" not in info.data:
            return data  # The family itself was refused, which is what the user is told.
        wanted = shape.of(info.data["family"])
        return data if isinstance(data, wanted) else wanted.model_validate_json(json.dumps(data))

    @model_validator(mode="after")
    def _some_picture_fits(self) -> Settings:
        if why := shape.fault(self.budget):
            raise ValueError(why)
        return self

    @property
    def budget(self) -> PictureBudget:
        """What becomes of a picture."""
        return self.shape.budget(min_pixels=self.min_pixels, max_pixels=self.max_pixels)
