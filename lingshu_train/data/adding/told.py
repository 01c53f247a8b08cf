"""What the user says of their data, on the command line or when asked; and the mistake of not having said enough."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from lingshu_train import vocabulary
from lingshu_train.data.images import windows
from lingshu_train.errors import UsageError
from lingshu_train.record import ANSWER_TYPES

NONE = "none"
"""Said for a column that there is not to be."""
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""What a card may be called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Empty where nothing is said. `ask`: one question for all rows. `patient`: a column, or for folders a pattern whose group
    is the patient in a picture's path. `held_out`: the share of the rows that training never sees."""

    name: str = ""
    images: Path | None = None
    image: str = ""
    question: str = ""
    ask: str = ""
    answer: str = ""
    options: tuple[str, ...] = ()
    patient: str = ""
    split: str = ""
    window: str = ""
    delimiter: str = ""
    encoding: str = ""
    licence: str = ""
    modality: str = ""
    language: str = ""
    answer_type: str = ""
    held_out: float = 0.2

    def check(self) -> None:
        """UsageError where something is said that means nothing, whatever the data."""
        for flag, text, known in (
            ("answer-type", self.answer_type, ANSWER_TYPES),
            ("modality", vocabulary.modality(self.modality), vocabulary.MODALITIES),
        ):
            if text and text not in known:
                raise UsageError(f"--{flag} {text}: is none of: {', '.join(known)}")
        if self.name and not NAME.fullmatch(self.name):
            raise UsageError(f"--name {self.name}: must be of a-z, 0-9, _ and -, such as chest_xrays")
        if self.language and self.language not in vocabulary.LANGUAGES:
            raise UsageError(
                f"--language {self.language}: must be a two-letter code of ISO 639-1, such as en or zh"
            )
        if self.delimiter and (len(self.delimiter) > 1 or self.delimiter in '"\r\n'):
            raise UsageError(f"--delimiter {self.delimiter}: must be one character, such as ;")
        if self.encoding:
            codec(self.encoding)
        self.shown()

    def shown(self) -> windows.Window | None:
        """The window that is said: a name, or centre and width. UsageError: neither."""
        text = self.window.strip("[] ")
        if not text:
            return None
        parts = text.replace(",", " ").split()
        try:
            numbers = [float(part) for part in parts]
        except ValueError:
            numbers = []
        window: windows.Window = (numbers[0], numbers[1]) if len(numbers) == 2 else text
        try:
            return windows.known(window)
        except ValueError as fault:
            raise UsageError(f"--window {self.window}: {fault}; two numbers are CENTRE,WIDTH") from None


def codec(name: str) -> str:
    """Python's name of an encoding, empty for UTF-8. UsageError: there is none of this name."""
    try:
        found = codecs.lookup(name)
        b"".decode(name)
    except (LookupError, ValueError):
        raise UsageError(
            f"--encoding {name}: unknown; such as utf-8, utf-16, latin-1, cp1252, gb18030"
        ) from None
    return "" if found.name == "utf-8" else found.name


class Unclear(UsageError):
    """Something that must be known cannot be told from the files. `flag` says it; `choices` are what it may be, if known."""

    def __init__(self, flag: str, why: str, *, choices: tuple[str, ...] = ()) -> None:
        self.flag, self.why, self.choices = flag, why, choices
        among = f": {', '.join(choices)}" if choices else ""
        super().__init__(f"{why}{among}; say it with --{flag.replace('_', '-')}")
