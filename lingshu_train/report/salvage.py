"""Files of a run as far as they can be read, with a sentence for what cannot: damage takes nothing off the page in silence."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import RootModel

from lingshu_train.errors import LingshuError
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


def lines(path: Path) -> Salvaged[tuple[dict[str, Any], ...]]:
    """The objects of a JSONL file, in file order; none where there is no file.

    A last line without its end is not there yet: its stage is running, or was killed.
    """
    try:
        parts = path.read_bytes().split(b"\n") if path.is_file() else [b""]
    except OSError as fault:
        return Salvaged((), (f"{path}: {fault.strerror}",))
    found: list[dict[str, Any]] = []
    bad: list[int] = []
    for number, part in enumerate(parts[:-1], 1):
        line = _object(part)
        if line is None:
            bad.append(number)
        else:
            found.append(line)
    return Salvaged(tuple(found), _said(path, bad, len(parts) - 1))


def records(path: Path, record: type[RootModel[T]]) -> Salvaged[tuple[T, ...]]:
    """The lines of a JSONL file that are of the kind `record`."""
    raw = lines(path)
    found: list[T] = []
    faults: list[str] = []
    for line in raw.found:
        try:
            found.append(parse(record, line, where=str(path), error=LingshuError).root)
        except LingshuError as fault:
            faults.append(str(fault))
    if faults:
        shown = f"{counted(len(faults), 'line')} left out, the first of them: {faults[0]}"
        return Salvaged(tuple(found), (*raw.faults, shown))
    return Salvaged(tuple(found), raw.faults)


def _object(part: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(part)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _said(path: Path, bad: Sequence[int], total: int) -> tuple[str, ...]:
    if not bad:
        return ()
    first = f"line {bad[0]} is" if len(bad) == 1 else f"line {bad[0]} and {len(bad) - 1} more are"
    return (f"{path}: {first} no JSON, of {counted(total, 'line')}; the page shows the others",)
