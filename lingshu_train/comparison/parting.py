"""Two runs, finished or not: what they were made of, and at which step the ledgers of each stage part, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lingshu_train.comparison import apart, gather, text
from lingshu_train.comparison.apart import NONE, Apart
from lingshu_train.runs import ledger
from lingshu_train.runs import run as runs
from lingshu_train.runs import stage as stages
from lingshu_train.runs.run import Run

LABELS = ("A", "B")
Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a ledger, the first step at which it is not the same, and what it says there in both."""

    name: str
    step: int
    values: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledgers:
    """The ledgers of a stage that both runs have. `columns` are those that part, earliest first; `steps` that each has taken.
    Timings are left out."""

    stage: str
    steps: tuple[int, int]
    compared: int
    columns: tuple[Column, ...]

    @property
    def same(self) -> bool:
        return not self.columns and self.steps[0] == self.steps[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """Two runs. `apart`: settings, data, code and machine, and the stages' content hashes; `ledgers`: a stage each."""

    folders: tuple[Path, Path]
    apart: tuple[Apart, ...]
    ledgers: tuple[Ledgers, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not any(part.rows for part in self.apart) and all(one.same for one in self.ledgers)


def parting(one: Path, other: Path) -> Parting:
    """Read both. MissingInput: one is no run. DataError: a file of it is damaged."""
    found = runs.read(one), runs.read(other)
    parts = apart.apart([gather.made_of(each) for each in found])
    contents = [_contents(each) for each in found]
    parts.append(apart.of("Stages", contents))
    both = [name for name in contents[0] if name in contents[1]]
    ledgers = [_ledgers(name, *(_lines(each, name) for each in found)) for name in both]
    return Parting(
        folders=(one, other),
        apart=tuple(parts),
        ledgers=tuple(each for each in ledgers if each.steps != (0, 0)),
    )


def lines(found: Parting) -> list[str]:
    """For a terminal."""
    told = [f"{label}  {folder}" for label, folder in zip(LABELS, found.folders, strict=True)]
    told += text.apart(LABELS, found.apart, more="all of them with --json")
    for each in found.ledgers:
        told += ["", _head(each)]
        told += [
            f"  {column.name}: step {column.step:,}: {column.values[0]}, {column.values[1]}"
            for column in each.columns
        ]
    return [*told, "", "the same" if found.same else "not the same"]


def data(found: Parting) -> dict[str, Any]:
    """For a program."""
    return {
        "runs": [str(folder) for folder in found.folders],
        "same": found.same,
        "apart": {part.title: {key: list(values) for key, values in part.rows} for part in found.apart},
        "ledgers": [{**asdict(each), "same": each.same} for each in found.ledgers],
    }


def _contents(found: Run) -> dict[str, str]:
    """What each begun stage is, by name: the hash of all that determines its result."""
    files = {entry.name: found.folder(entry) / "stage.json" for entry in found.stages}
    return {name: stages.read(path).content[:12] for name, path in files.items() if path.is_file()}


def _lines(found: Run, name: str) -> dict[int, Line]:
    folder = found.folder(found.stage(name))
    return {line["step"]: ledger.replayable(line) for line in ledger.steps(folder, tolerate_torn_end=True)}


def _ledgers(name: str, one: Mapping[int, Line], other: Mapping[int, Line]) -> Ledgers:
    both = sorted(set(one) & set(other))
    columns = dict.fromkeys(key for step in both for key in (*one[step], *other[step]))
    found = [column for key in columns if (column := _column(key, both, one, other))]
    return Ledgers(
        stage=name,
        steps=(max(one, default=0), max(other, default=0)),
        compared=len(both),
        columns=tuple(sorted(found, key=lambda each: (each.step, each.name))),
    )


def _column(
    key: str, steps: Sequence[int], one: Mapping[int, Line], other: Mapping[int, Line]
) -> Column | None:
    for step in steps:
        values = one[step].get(key, NONE), other[step].get(key, NONE)
        if values[0] != values[1]:
            return Column(name=key, step=step, values=(str(values[0]), str(values[1])))
    return None


def _head(each: Ledgers) -> str:
    if each.columns:
        return f"{each.stage}: the ledgers part at step {each.columns[0].step:,} (of {each.compared:,} that both have)"
    if each.same:
        return f"{each.stage}: {each.compared:,} steps, the same"
    return f"{each.stage}: {each.compared:,} steps the same; then one goes on ({each.steps[0]:,} and {each.steps[1]:,} steps)"
