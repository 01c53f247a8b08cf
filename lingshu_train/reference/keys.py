"""The keys of a record that a recipe or a card is read as: name, type, default, meaning."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from lingshu_train.reference import words


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key as a person reads it. `path` has dots between blocks, `[]` behind a list, NAME for a name of one's own."""

    path: str
    type: str
    default: str
    meaning: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The path without the marks of lists."""
        return tuple(self.path.replace("[]", "").split("."))


def of(model: type[BaseModel], *, under: str = "", leave: frozenset[str] = frozenset()) -> tuple[Key, ...]:
    """Every key of a record and of the records in it, in the order of the code. `leave` are not told."""
    return tuple(_keys(model, under, leave))


def _keys(model: type[BaseModel], under: str, leave: frozenset[str]) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        path = f"{under}.{name}" if under else name
        if path in leave:
            continue
        yield Key(
            path=path,
            type=words.kind_of(field),
            default=words.default_of(field),
            meaning=" ".join(meaning(model, name).split()),
        )
        for mark, inner in words.blocks(field.annotation):
            if not inspect.isabstract(inner):
                yield from _keys(inner, f"{path}{mark}", leave)


def meaning(model: type[BaseModel], name: str) -> str:
    """The text below a field; where a record only changes the type or default of another's, that one's."""
    for one in model.__mro__:
        fields = one.__dict__.get("__pydantic_fields__", {})
        if name in fields and fields[name].description:
            return str(fields[name].description)
    return ""
