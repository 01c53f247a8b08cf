"""Types, bounds and defaults of keys in plain words."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lingshu_train.schema import Language
from lingshu_train.vocabulary import ModalityWord

_PLAIN: Mapping[object, tuple[str, str]] = {
    str: ("text", "texts"),
    int: ("whole number", "whole numbers"),
    float: ("number", "numbers"),
    bool: ("true or false", "true or false"),
    re.Pattern: ("regular expression", "regular expressions"),
}
_BOUNDS = {
    "gt": "above {}",
    "ge": "at least {}",
    "lt": "below {}",
    "le": "at most {}",
    "min_length": "at least {} long",
}
"""By the name that pydantic's bounds have."""
_ANYTHING = "anything"


def kind_of(field: FieldInfo) -> str:
    """The type of a key, with its bounds: `whole number, above 0`."""
    told, bounds = _one(field.annotation), _bounds(field.metadata)
    return ", ".join([told, *bounds])


def default_of(field: FieldInfo) -> str:
    """Its default; `required` where there is none."""
    if field.is_required():
        return "required"
    return value(field.get_default(call_default_factory=True, validated_data={}))


def value(found: object) -> str:
    """A value as YAML has it, where that is short; what is empty and what is a block in words."""
    if isinstance(found, BaseModel):
        return "as below"
    if found is None:
        return "none"
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, str | Sequence | Mapping) and not found:
        return "empty"
    if isinstance(found, float):
        return f"{found:g}"
    if isinstance(found, list | tuple):
        return f"[{', '.join(value(one) for one in found)}]"
    return str(found)


def blocks(annotation: Any) -> list[tuple[str, type[BaseModel]]]:
    """The records that a type holds, each with what stands between its key and theirs: "" for a block, "[]" for one of a
    list, ".NAME" for one of several by name."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [("", annotation)]
    if origin is Annotated:
        return blocks(inner[0])
    if origin in (Union, types.UnionType):
        return [found for one in inner for found in blocks(one)]
    mark, held = _held(origin, inner)
    return [(f"{mark}{further}", model) for further, model in blocks(held)] if held else []


def _held(origin: object, inner: tuple[Any, ...]) -> tuple[str, Any]:
    """What a list or a mapping holds, and how that is addressed."""
    if origin in (list, tuple, Sequence) and inner:
        return "[]", inner[0]
    if origin in (dict, Mapping) and len(inner) == 2:
        return ".NAME", inner[1]
    return "", None


def _one(annotation: Any) -> str:
    """A type in the singular."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return "language code" if annotation == Language else ", ".join([_one(inner[0]), *_bounds(inner[1:])])
    if origin is Literal:
        return "a modality" if inner == get_args(ModalityWord) else _choice(inner)
    if origin in (Union, types.UnionType):
        told = [_one(one) for one in inner if one is not type(None)]
        return " or ".join([*told, *(["none"] if type(None) in inner else [])])
    mark, held = _held(origin, inner)
    if mark == "[]":
        fixed = origin is tuple and len(inner) > 1 and inner[1] is not Ellipsis
        return " and ".join(map(_one, inner)) if fixed else f"list of {_many(held)}"
    if mark:
        return f"{_many(held)} by name"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "block"
    return _PLAIN.get(origin or annotation, (_ANYTHING, _ANYTHING))[0]


def _many(annotation: Any) -> str:
    """A type in the plural, as a list holds it."""
    if annotation in _PLAIN:
        return _PLAIN[annotation][1]
    if _held(get_origin(annotation), get_args(annotation))[0] == ".NAME":
        return "blocks"
    told = _one(annotation)
    plurals = {
        "block": "blocks",
        "language code": "language codes",
        "a modality": "modalities",
        _ANYTHING: "values",
    }
    return plurals.get(told, told)


def _choice(options: tuple[object, ...]) -> str:
    told = [str(option) for option in options]
    return f"`{told[0]}`" if len(told) == 1 else "one of " + ", ".join(f"`{option}`" for option in told)


def _bounds(metadata: Sequence[object]) -> list[str]:
    found: list[str] = []
    for bound in metadata:
        if isinstance(bound, FieldInfo):
            found += _bounds(bound.metadata)
        limits = ((told, getattr(bound, name, None)) for name, told in _BOUNDS.items())
        found += [told.format(value(limit)) for told, limit in limits if isinstance(limit, int | float)]
    return ["not empty" if one == "at least 1 long" else one for one in found]
