"""What a file of auditing/checks/ must define, and how one is found by its name."""

from __future__ import annotations

from typing import Protocol, cast, runtime_checkable

from lingshu_train.errors import RecipeError
from lingshu_train.naming import component, components
from lingshu_train.record import Completion, Sample

PACKAGE = "lingshu_train.auditing.checks"


@runtime_checkable
class Check(Protocol):
    """One known way to please a rule without being right."""

    def found(self, sample: Sample, completion: Completion) -> bool:
        """Whether an accepted answer does it. What an honest right answer may look like is not it."""
        ...


def check(name: str, *, where: str) -> Check:
    """The check `name`. RecipeError: there is none."""
    return cast("Check", component(PACKAGE, name, where=where, error=RecipeError))


def names() -> list[str]:
    """All of them."""
    return components(PACKAGE)
