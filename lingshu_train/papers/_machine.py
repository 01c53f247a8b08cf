"""A paper that machines read: a document with a name of its own, whatever format people's papers have."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from pydantic import JsonValue

if TYPE_CHECKING:
    from lingshu_train.papers._known import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """JSON, and what a person must still add to it."""

    data: dict[str, JsonValue]
    gaps: tuple[str, ...]


class Machine(Protocol):
    """A file of papers/ without a template."""

    FILE: str
    """The name of what is written."""

    def document(self, known: Known) -> Document:
        """The whole document."""
        ...


def of(found: ModuleType) -> Machine | None:
    """A paper as one that machines read; None where it is a form."""
    return found if hasattr(found, "FILE") else None
