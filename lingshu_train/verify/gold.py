"""What a type of answer is: a file of `types/` that reads a gold answer once, and a gold answer that judges texts."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

from lingshu_train.verify.item import Key
from lingshu_train.verify.text.normal import clean

Reads = Literal["choices", "grammar", "words"]


class Ruling(NamedTuple):
    """A type's judgement of an answer text. `normalized` is empty where no grammar rule matched."""

    status: str
    rule: str
    normalized: str = ""


class GoldError(ValueError):
    """The gold answer cannot be read by its own type's grammar."""


class GoldAnswer(Protocol):
    """A gold answer, ready to judge any number of texts. Only `judge` must be written; the rest has defaults.

    `reads` says what the type takes for an answer: one of a few "choices" that the question leaves open, what fits a
    "grammar", or any "words". The more a type reads, the less a text beside the answer proves that there is another one.
    """

    __slots__ = ()
    reads: ClassVar[Reads] = "grammar"

    def judge(self, text: str) -> Ruling:
        """Judge a text in surface normal form that is not empty."""
        ...

    def surface(self, text: str) -> str:
        """The surface normal form of a text."""
        return clean(text)

    def read(self, text: str) -> Ruling:
        """Judge any text."""
        text = self.surface(text)
        return self.judge(text) if text else Ruling("empty", "none")

    def goes_on(self, text: str, line: str) -> bool:
        """Whether an answer in a box goes on in the line behind it, as a unit does."""
        return False

    def forms(self) -> tuple[str, ...]:
        """Texts beside the gold answer itself that a prompt allows for it, such as an option's text: each must be right."""
        return ()

    def answered_again(self, remark: str) -> bool:
        """Whether a remark behind the right answer may be another answer to the same question."""
        return False


@runtime_checkable
class AnswerType(Protocol):
    """A file of `types/`, named as the `question_type` it judges."""

    def prepare(self, item: Key) -> GoldAnswer:
        """Read the gold answer of an item. GoldError says why it cannot be read."""
        ...
