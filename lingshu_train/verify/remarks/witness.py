"""A gold answer as the lenient door reads it: the bare answer, and what may stand beside it without taking it back."""

from __future__ import annotations

from typing import ClassVar, Protocol, cast

from lingshu_train.errors import DataError
from lingshu_train.naming import component, components
from lingshu_train.verify.gold import GoldAnswer, Ruling

_TYPES = "lingshu_train.verify.remarks.types"


class Witness(GoldAnswer, Protocol):
    """Judges whole sentences. Everything has a default, so that a type without a file of its own is read bare."""

    __slots__ = ()
    # Whether an answer is one of the options that the question names.
    named: ClassVar[bool] = False

    def upholds(self, sentence: str, *, goes_on: bool) -> bool | None:
        """Whether a sentence behind the answer leaves it right by what it says of the possible answers: others ruled out,
        the answer given again. None: it says nothing of them. `goes_on`: the sentence before did, this may be its reason.
        """
        return None

    def reasons(self, sentence: str) -> bool | None:
        """Whether a sentence beside the answer is a reason for it. False: it takes the answer back or cannot be read where it
        must be. None: the general rules of remarks decide.
        """
        return None


class Bare(Witness):
    """The witness of a type that has no file here: what its own grammar reads, and no more."""

    __slots__ = ("gold",)

    def __init__(self, gold: GoldAnswer) -> None:
        self.gold = gold

    @property
    def reads(self) -> str:  # type: ignore[override]
        return self.gold.reads

    def judge(self, text: str) -> Ruling:
        return self.gold.judge(text)

    def surface(self, text: str) -> str:
        return self.gold.surface(text)

    def goes_on(self, text: str, line: str) -> bool:
        return self.gold.goes_on(text, line)

    def answered_again(self, remark: str) -> bool:
        return self.gold.answered_again(remark)


class Reader(Protocol):
    """A file of `remarks/types/`, named as the `question_type` whose remarks it reads."""

    def witness(self, gold: GoldAnswer) -> Witness: ...


def witness(question_type: str, gold: GoldAnswer) -> Witness:
    """The gold answer of a type with its remarks."""
    if question_type not in components(_TYPES):
        return Bare(gold)
    found = cast(Reader, component(_TYPES, question_type, where="question_type", error=DataError))
    return found.witness(gold)
