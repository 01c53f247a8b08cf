"""Files of a run as far as they can be read, with a sentence for what cannot: damage takes nothing off the page in silence."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import RootModel, ValidationError

from lingshu_train.errors import DataError, LingshuError
from lingshu_train.report.numbers import counted
from lingshu_train.schema import parse

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Salvaged(Generic[T]):
    """What could be read, and a sentence for each file of which something could not."""

    found: T
    faults: tuple[str, ...] = ()


def whole(read: Callable[[Path], T], path: Path, otherwise: T) -> Salvaged[T]:
    """What `read` makes of a file, or of the file in a folder; `otherwise` where it is damaged."""
    try:
        return Salvaged(read(path))
    except (LingshuError, UnicodeDecodeError) as fault:
        said = str(fault) if isinstance(fault, LingshuError) else f"{path}: not UTF-8"
        return Salvaged(otherwise, (said,))


def lines(path: Path, *, ended: bool) -> Salvaged[tuple[dict[str, Any], ...]]:
    """The lines of a ledger, each with its step, in file order; none where there is no file.

    A last line without its end is not there yet where the stage is running, or was killed, and damage where it has `ended`.
    """
    parts = _parts(path)
    found: list[dict[str, Any]] = []
    bad: list[int] = []
    for number, part in enumerate(parts.found[:-1], 1):
        line = _object(part)
        if line is None or not isinstance(line.get("step"), int):
            bad.append(number)
        else:
            found.append(line)
    total = len(parts.found) - 1
    if ended and parts.found[-1]:
        total += 1
        bad.append(total)
    return Salvaged(tuple(found), (*parts.faults, *_said(path, bad, total)))


def records(path: Path, record: type[RootModel[T]]) -> Salvaged[tuple[T, ...]]:
    """The lines of a JSONL file that are of the kind `record`."""
    parts = _parts(path)
    found: list[T] = []
    bad: list[int] = []
    reason = ""
    for number, part in enumerate(parts.found[:-1], 1):
        try:
            found.append(record.model_validate_json(part).root)
        except ValidationError:
            bad.append(number)
            reason = reason or _reason(path, number, part, record)
    said = (f"{counted(len(bad), 'line')} left out, the first of them {reason}",) if bad else ()
    return Salvaged(tuple(found), (*parts.faults, *said))


def _reason(path: Path, number: int, part: bytes, record: type[RootModel[T]]) -> str:
    line = _object(part)
    if line is None:
        return f"{path}: line {number} is no JSON"
    try:
        parse(record, line, where=f"{path}: line {number}:", error=DataError)
    except DataError as fault:
        return str(fault)
    return f"{path}: line {number}"


def _parts(path: Path) -> Salvaged[list[bytes]]:
    """The lines of a file and what follows the last of them: nothing, or a line that is being written."""
    try:
        return Salvaged(path.read_bytes().split(b"\n") if path.is_file() else [b""])
    except OSError as fault:
        return Salvaged([b""], (f"{path}: {fault.strerror}",))


def _object(part: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(part)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def _said(path: Path, bad: Sequence[int], total: int) -> tuple[str, ...]:
    if not bad:
        return ()
    first = f"line {bad[0]} is" if len(bad) == 1 else f"line {bad[0]} and {len(bad) - 1} more are"
    return (f"{path}: {first} no line of a ledger, of {counted(total, 'line')}; the page shows the others",)
