"""What a file of auditors/ must define, and how one is found by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar, cast, runtime_checkable

from lingshu_train.errors import RecipeError
from lingshu_train.naming import component
from lingshu_train.record import Completion, Sample
from lingshu_train.schema import Strict

PACKAGE = "lingshu_train.auditing.auditors"
ParamsT = TypeVar("ParamsT", bound=Strict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What an audit came to. `false`: the answer should not have been accepted; None: no verdict, or none yet. `why`: a word
    for what is wrong, or why there is no verdict."""

    false: bool | None
    why: str = ""


@runtime_checkable
class Auditor(Protocol[ParamsT]):
    """A file of auditors/, named as a recipe names it."""

    @property
    def Params(self) -> type[ParamsT]:
        """Its own keys."""
        ...

    @property
    def LATER(self) -> bool:
        """Whether verdicts come from a person, at an hour of their own."""
        ...

    def audit(self, sample: Sample, completion: Completion, params: ParamsT) -> Finding:
        """Look at one accepted answer, the same way each time it is asked."""
        ...


def auditor(name: str, *, where: str) -> Auditor[Strict]:
    """The auditor `name`. RecipeError, with the key `where`: there is none."""
    return cast("Auditor[Strict]", component(PACKAGE, name, where=where, error=RecipeError))
