"""One row of a publisher's file before it is understood: its values, and the file and line that errors name."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from lingshu_train.errors import DataError

T = TypeVar("T")


class Fault(str):
    """Stands for a row that cannot be read, and says why."""

    __slots__ = ()


def missing(value: object) -> bool:
    """Whether nothing stands there: null, or not-a-number, which tables written by pandas hold instead, or its own NA."""
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA is neither equal to itself nor not.
        return True
    except ValueError:  # An array is something.
        return False


def whole_number(text: str, *, digits: int) -> int | None:
    """A number of at most so many digits from 0 to 9; None for all else. Python reads other scripts, and 1_0 too."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= digits else None


def number(text: str) -> float | None:
    """A finite number as people write it; None for all else, what Python alone takes for one included."""
    found = float(text) if _NUMBER.fullmatch(text.strip()) else math.inf
    return found if math.isfinite(found) else None


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A record from its keys and values. ValueError: a key stands twice, and says two things."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"names {twice!r} twice in a record")
    return found


def _json(text: str) -> object:
    return json.loads(text, object_pairs_hook=once)


_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row. `number` is the line in a text file, or the row in a Parquet file; both start at 1.

    `record` counts the file's rows from 1 (several may stand in one line). `called`: what else names the row in errors, where
    its line does not. `fault`: why it could not be read. `prepared`: what the layout's `lines` has found out for its `rows`,
    which alone know what that is. `told`: how its file is written, where that is not what its name says.
    """

    file: Path
    number: int
    record: int
    values: Mapping[str, object] = field(default_factory=dict)
    called: str = ""
    fault: str = ""
    prepared: object = None
    told: str = ""

    @property
    def where(self) -> str:
        return f"{self.file}:{self.number}{self.called}"

    def sound(self) -> Line:
        """The line itself. DataError where it could not be read."""
        if self.fault:
            raise DataError(f"{self.where}: {self.fault}")
        return self

    def faulty(self, fault: DataError) -> Line:
        """The line with what was found to be wrong with it, which `sound` raises."""
        return replace(self, fault=str(fault).removeprefix(f"{self.where}: "))

    def given(self, kind: type[T]) -> T:
        """What `lines` has prepared, a record of the layout's own."""
        assert isinstance(self.prepared, kind), f"lines prepare {kind.__name__}"
        return self.prepared

    def text(self, field: str) -> str:
        """A field that must hold text (numbers are written out). Absent or blank: DataError."""
        value = self.optional(field)
        if not value:
            raise self.absent(field)
        return value

    def absent(self, field: str) -> DataError:
        """The error of a field that must hold something and does not."""
        known = ", ".join(sorted(self.values)) or "nothing"
        return self.error(field, "is empty" if field in self.values else f"is missing; the row has: {known}")

    def optional(self, field: str) -> str:
        """A field's text without surrounding space, empty where it is missing. Not text or number: DataError."""
        return self.written(field, self.values.get(field))

    def written(self, field: str, value: object, *, place: str = "") -> str:
        """The text of one value of a field, empty where it is missing; `place` says which of several it is.

        The one rule for what stands in a publisher's file, at any depth: text is itself, a number is written out, nothing and
        not-a-number are missing. Truth values, lists, records and infinities are no text: DataError.
        """
        if missing(value):
            return ""
        at = f"{place}: " if place else ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.error(field, f"{at}must be text, got {type(value).__name__}")
        if isinstance(value, float) and not math.isfinite(value):
            raise self.error(field, f"{at}must be text or a finite number, got {value}")
        return str(value).strip()

    def texts(self, field: str, *, kind: str = "text") -> list[str]:
        """The texts of a field that must hold a list of them. One that is missing, blank or no text: DataError."""
        value = self.nested(field)
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise self.absent(field) if missing(value) else self.error(field, f"must be a list of {kind}s")
        found = []
        for number, one in enumerate(value, start=1):
            text = self.written(field, one, place=f"{kind} {number}")
            if not text:
                raise self.error(field, f"{kind} {number} is empty")
            found.append(text)
        return found

    def names(self, field: str) -> tuple[str, ...]:
        """The texts of a field that holds one or a list of them, or nothing. One that is blank or no text: DataError."""
        value = self.nested(field)
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            return tuple(self.texts(field, kind="name")) if len(value) else ()
        text = self.written(field, value)
        return (text,) if text else ()

    def nested(self, field: str) -> object:
        """The list or record of a field, also where a table of text holds it as JSON or Python writes it; else its value."""
        value = self.values.get(field)
        if not isinstance(value, str) or value.strip()[:1] not in ("[", "{"):
            return value
        for reads in (_json, ast.literal_eval):
            try:
                found: object = reads(value.strip())
            except (MemoryError, RecursionError, SyntaxError, TypeError, ValueError):
                continue
            return found if isinstance(found, list | dict) else value
        return value

    def error(self, field: str, fault: str) -> DataError:
        return DataError(f"{self.where}: {field}: {fault}")

    @contextmanager
    def naming(self, field: str) -> Iterator[None]:
        """What a file that `field` names gets wrong is an error of this row as well."""
        try:
            yield
        except DataError as fault:
            raise self.error(field, str(fault).removeprefix(f"{self.file}: ")) from None

    def inside(self, field: str) -> Line:
        """The row that a field holds (a nested record), at the same place."""
        value = self.values.get(field)
        if not isinstance(value, Mapping):
            raise self.error(field, "must be a record")
        return replace(self, values=value)
