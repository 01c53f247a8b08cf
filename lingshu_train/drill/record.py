"""What became of faults: the rows of the scoreboard, and drill.json."""

from __future__ import annotations

from typing import Literal

from lingshu_train.schema import Strict

Kind = Literal["handled", "silent", "crash", "hang", "skipped"]
KINDS: tuple[Kind, ...] = ("handled", "silent", "crash", "hang", "skipped")


class Row(Strict):
    """One line of the scoreboard. `seconds`: from the fault to the end of the command. `lost`: steps that were done again; None
    where none was begun."""

    fault: str
    number: str
    says: str
    stage: str
    ranks: int
    time: int
    kind: Kind
    code: int | None
    again: int | None
    line: str
    why: str
    seconds: float
    lost: int | None
    equal: bool | None


class Drill(Strict):
    """What drill.json says. `cpu_seconds`: of the drill and of all that it started, which a busy machine does not lengthen."""

    version: str
    python: str
    packages: dict[str, str]
    machine: str
    cores: int
    load_before: float
    seed: int
    seconds: float
    cpu_seconds: float
    rows: tuple[Row, ...]
    stock: tuple[Row, ...] = ()
