"""The options of a question and which of them is right, in the ways in which publishers write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Literal

from lingshu_train.data.rows.line import Line, whole_number

AnswerIs = Literal["letter", "index", "text", "either"]
"""What an answer holds: the letter of an option, its place from 0, its text, or its letter or its text."""


def options(line: Line, columns: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Letter -> text. `columns`: one that holds them all as a record, a list, or a list of records with `key` and `value`; or
    one per option, with or without letters.

    A missing or blank option is left out, and the others keep their letters. DataError: fewer than two are left, or one is
    no text.
    """
    if isinstance(columns, Mapping):
        found = {letter: line.optional(column) for letter, column in columns.items()}
        field = next(iter(columns.values()), "options")
    elif len(columns) > 1:
        field = columns[0]
        found = lettered(line, field, [line.optional(column) for column in columns])
    else:
        field = columns[0]
        value = line.nested(field)
        if isinstance(value, Mapping):
            # Keys of JSON and of Arrow's records are text.
            found = {}
            for key, text in value.items():
                letter = str(key).strip()
                if letter in found:
                    raise line.error(field, f"names option {letter} twice")
                found[letter] = line.written(field, text, place=letter)
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
            found = _listed(line, field, value)
        else:
            raise line.error(field, "must hold the options as a record or a list")
    found = {letter: text for letter, text in found.items() if text}
    if len(found) < 2:
        raise line.error(field, f"needs at least two options, got {len(found)}")
    return found


def _listed(line: Line, field: str, values: Sequence[object]) -> dict[str, str]:
    """The options of a list: of texts, or of records that hold a letter as `key` and a text as `value`."""
    if not values or not all(isinstance(one, Mapping) and set(one) == {"key", "value"} for one in values):
        texts = [line.written(field, text, place=str(number)) for number, text in enumerate(values, start=1)]
        return lettered(line, field, texts)
    found = dict[str, str]()
    for number, one in enumerate(values, start=1):
        assert isinstance(one, Mapping), "looked at above"
        name = line.written(field, one["key"], place=str(number))
        if name in found:
            raise line.error(field, f"names option {name} twice")
        found[name] = line.written(field, one["value"], place=name)
    return found


def letters(line: Line, field: str, options: Mapping[str, str], *, written: str) -> tuple[str, ...]:
    """The letters of an answer that may hold several, one behind the other. DataError: one is no option, or stands twice."""
    found = tuple(character for character in written if character not in " ,，、;；")
    for one in found:
        if one not in options or found.count(one) > 1:
            raise line.error(field, f"must be letters of {', '.join(options)}, each once, got {written!r}")
    return found


def letter(line: Line, field: str, options: Mapping[str, str], *, answer_is: AnswerIs) -> str:
    """The letter of the right option. DataError: none of them, or two of them."""
    value = line.text(field)
    by_text = [one for one, text in options.items() if text == value]
    if answer_is == "either" and value in options and by_text not in ([], [value]):
        raise line.error(
            field,
            f"{value!r} is the letter of one option and the text of another; say `answer_is` in the card",
        )
    if answer_is == "text" or (answer_is == "either" and value not in options):
        if len(by_text) > 1:
            raise line.error(field, f"{value!r} is the text of the options {', '.join(by_text)}")
        value = by_text[0] if by_text else value
    elif answer_is == "index":
        place = whole_number(value, digits=2)
        if place is None or place >= len(ascii_uppercase):
            raise line.error(field, f"must be the number of an option, from 0, got {value!r}")
        value = ascii_uppercase[place]
    if value not in options:
        raise line.error(field, f"{value!r} is none of the options {', '.join(options)}")
    return value


def lettered(line: Line, field: str, texts: Sequence[str]) -> dict[str, str]:
    """Letter -> text, in their order. DataError: there are not letters enough."""
    if len(texts) > len(ascii_uppercase):
        raise line.error(field, f"at most {len(ascii_uppercase)} options have letters, got {len(texts)}")
    return dict(zip(ascii_uppercase, texts, strict=False))
