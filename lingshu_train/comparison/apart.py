"""What two or more runs were made of that is not the same: settings, data, code and machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lingshu_train.comparison.gather import Contender, MadeOf

NONE = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """Keys whose values are not the same in every run, each with the value of every run; NONE where a run has no such key."""

    title: str
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def apart(runs: Sequence[Contender | MadeOf]) -> list[Apart]:
    """What differs, by what it belongs to; a part that is the same has no rows."""
    parts = {
        "Settings": [one.settings for one in runs],
        "Data": [one.data for one in runs],
        "Code and machine": [one.code for one in runs],
    }
    return [of(title, values) for title, values in parts.items()]


def of(title: str, values: Sequence[Mapping[str, str]]) -> Apart:
    """Of one mapping a run, the keys that are not the same in all."""
    return Apart(title=title, rows=_rows(values))


def _rows(values: Sequence[Mapping[str, str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    keys = dict.fromkeys(key for one in values for key in one)
    rows = ((key, tuple(one.get(key, NONE) for one in values)) for key in keys)
    return tuple((key, told) for key, told in rows if len(set(told)) > 1)
