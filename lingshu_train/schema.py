"""The strict base of every configuration and manifest model: frozen, unknown keys refused, one-line errors."""

from __future__ import annotations

import json
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from lingshu_train import vocabulary
from lingshu_train.errors import LingshuError
from lingshu_train.vocabulary import ModalityWord


def _spelt(text: object) -> object:
    return vocabulary.modality(text) if isinstance(text, str) else text


def _known(language: str) -> str:
    if language not in vocabulary.LANGUAGES:
        raise PydanticCustomError("language", "must be a two-letter code of ISO 639-1, such as en or zh")
    return language


Modality = Annotated[ModalityWord, BeforeValidator(_spelt)]
"""A modality in any known spelling, read as the vocabulary's word. An unknown one is refused with the list."""
Language = Annotated[str, AfterValidator(_known)]
"""A language by its code of ISO 639-1."""


class Strict(BaseModel):
    """Frozen record that refuses unknown keys and does not coerce strings into numbers."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


ModelT = TypeVar("ModelT", bound=BaseModel)


def parse(model: type[ModelT], data: object, *, where: str, error: type[LingshuError]) -> ModelT:
    """Validate plain data, turning pydantic's report into one line that starts with `where` (a file or a recipe key).

    Read as JSON: strict about scalars, while a list may stand for a tuple.
    """
    try:
        return model.model_validate_json(json.dumps(data, default=str))
    except ValidationError as report:
        raise error("; ".join(_sentence(where, item, model) for item in report.errors()[:3])) from None


def _sentence(where: str, item: ErrorDetails, model: type[BaseModel]) -> str:
    key = ".".join([where, *(str(part) for part in item["loc"])])
    if item["type"] == "extra_forbidden":
        known = ", ".join(sorted(model.model_fields)) if len(item["loc"]) == 1 else ""
        return f"{key}: unknown key" + (f"; known keys: {known}" if known else "")
    if item["type"] == "missing":
        return f"{key}: missing"
    return f"{key}: {item['msg']}, got {item['input']!r}"
