"""The strict base of every configuration and manifest model: frozen, unknown keys refused, one-line errors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from types import UnionType
from typing import Annotated, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from lingshu_train import vocabulary
from lingshu_train.documents import read_json
from lingshu_train.errors import DataError, LingshuError
from lingshu_train.naming import NAME_RULE, is_name
from lingshu_train.vocabulary import ModalityWord


def _spelt(text: object) -> object:
    return vocabulary.modality(text) if isinstance(text, str) else text


def _known(language: str) -> str:
    if language not in vocabulary.LANGUAGES:
        raise PydanticCustomError("language", "must be a two-letter code of ISO 639-1, such as en or zh")
    return language


def _named(text: str) -> str:
    if not is_name(text):
        raise PydanticCustomError("name", NAME_RULE)
    return text


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
        raise PydanticCustomError("inside", "must be a file inside the folder")
    return path


Name = Annotated[str, AfterValidator(_named)]
"""A name of a run, a stage or a term: see `naming.NAME_RULE`."""
Inside = Annotated[str, AfterValidator(_inside)]
"""A path that leads nowhere out of the folder it is below."""
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


def load(model: type[ModelT], path: Path, *, otherwise: str) -> ModelT:
    """A JSON file of a run as its record. MissingInput (66), DataError (65) with what is wrong and `otherwise`, what to do."""
    try:
        return parse(model, read_json(path), where=f"{path}:", error=DataError)
    except DataError as fault:
        raise DataError(f"{fault}; {otherwise}") from None


def parse(model: type[ModelT], data: object, *, where: str, error: type[LingshuError]) -> ModelT:
    """Validate plain data, turning pydantic's report into one line that starts with `where`: a recipe key, or a file and a
    colon.

    Read as JSON: strict about scalars, while a list may stand for a tuple.
    """
    try:
        text = json.dumps(data, default=str)
    except (TypeError, ValueError, RecursionError) as fault:
        raise error(f"{where.removesuffix(':')}: cannot be written as JSON: {fault}") from None
    try:
        return model.model_validate_json(text)
    except ValidationError as report:
        raise error("; ".join(_sentence(where, item, model) for item in report.errors()[:3])) from None


def keys_of(annotation: object) -> tuple[str, ...]:
    """The keys of the record that an annotation stands for, through unions; none where it is no record."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return tuple(annotation.model_fields)
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return tuple(dict.fromkeys(key for one in get_args(annotation) for key in keys_of(one)))
    return ()


def below(annotation: object, part: str) -> object:
    """The annotation of what stands under a key, or at a place of a list; None where that is not known."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(part)
        return field.annotation if field else None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return arguments[1]
    if origin in (tuple, list):
        return arguments[0]
    if origin in (Union, UnionType, Annotated):
        found = [inner for one in arguments if (inner := below(one, part)) is not None]
        return found[0] if found else None
    return None


def nearest(key: str, known: Iterable[str]) -> str:
    """The end of a line about an unknown key: what is spelt much like it, or else all that there is."""
    there = sorted(known)
    near = get_close_matches(key, there, n=3, cutoff=0.6)
    if near:
        return f"nearest: {', '.join(near)}"
    return f"known keys: {', '.join(there)}" if there else ""


def _sentence(where: str, item: ErrorDetails, model: type[BaseModel]) -> str:
    parts = [str(part) for part in item["loc"] if part != "[key]"]
    # A place in a file is "FILE: key", one in a recipe "key.key".
    key = f"{where} {'.'.join(parts)}".rstrip() if where.endswith(":") else ".".join([where, *parts])
    if item["type"] == "extra_forbidden":
        place: object = model
        for part in parts[:-1]:
            place = below(place, part)
        if parts[-1] in getattr(place, "moved", {}):
            return f"{key} {place.moved[parts[-1]]}"  # type: ignore[attr-defined]
        known = nearest(parts[-1], keys_of(place))
        return f"{key}: unknown key" + (f"; {known}" if known else "")
    if item["type"] == "missing":
        return f"{key}: missing"
    return f"{key.removesuffix(':')}: {_wanted(item)}, got {_short(item['input'])}"


def _wanted(item: ErrorDetails) -> str:
    """What would be right, in the words of who writes the file and not of who checks it."""
    context = item.get("ctx", {})
    number = context.get("min_length", context.get("max_length"))
    if item["type"] in ("too_short", "too_long"):
        bound = "least" if item["type"] == "too_short" else "most"
        return f"must have at {bound} {number} {'item' if number == 1 else 'items'}"
    if item["type"] in ("string_too_short", "string_too_long"):
        bound = "least" if item["type"] == "string_too_short" else "most"
        return f"must have at {bound} {number} {'character' if number == 1 else 'characters'}"
    for its, ours in _PHRASES.items():
        if item["msg"].startswith(its):
            return ours + item["msg"].removeprefix(its)
    return item["msg"]


_PHRASES = {
    "Input should be a valid array": "must be a list",
    "Input should be an object": "must be a mapping",
    "Input should be a valid integer": "must be a whole number",
    "Input should be a valid dictionary": "must be a mapping",
    "Input should be a valid string": "must be a text",
    "Input should be a valid boolean": "must be true or false",
    "Input should be a valid": "must be a",
    "Input should": "must",
    "Value error, ": "",
}


def _short(value: object) -> str:
    """The value as it stands, cut where nobody would read on."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
