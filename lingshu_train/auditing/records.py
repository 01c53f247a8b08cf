"""audits.jsonl and verdicts.jsonl of a stage: every answer that was audited, and what a person said of those that waited.

The first is a ledger of the stage: a checkpoint carries it, and a resume goes on from that copy. The second belongs to the
person who writes it; no run touches it, so that no verdict is lost, and a verdict finds its answer by key.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import RootModel

from lingshu_train.auditing.sequence import Window
from lingshu_train.documents import there
from lingshu_train.errors import DataError
from lingshu_train.record import Asked
from lingshu_train.runs import ledger
from lingshu_train.runs.ledger import Ledger
from lingshu_train.schema import parse

VERDICTS = "verdicts.jsonl"
FIRST, FALLBACK = "rewards", "fallback"
"""Which reward accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited(Asked):
    """One accepted answer that was looked at again. `false`: it should not have been accepted; None: no verdict, or none yet.
    `key` names it in this stage, `under` is the reward that accepted it, `image` a sha256 in the corpus."""

    key: str
    step: int
    under: str
    completion: str
    false: bool | None
    why: str = ""
    image: str = ""
    question_type: str = ""


def append(folder: Path, audited: Iterable[Audited]) -> None:
    """Add lines to audits.jsonl, each forced to disk."""
    kept = Ledger(folder, ledger.AUDITS)
    for one in audited:
        line = asdict(one)
        kept.append(line.pop("step"), line)


def read(folder: Path) -> tuple[Audited, ...]:
    """Every audited answer of a stage, in step order, with the verdicts of a person where there are some."""
    path = folder / ledger.AUDITS
    lines = ledger.steps(folder, name=ledger.AUDITS, tolerate_torn_end=True)
    record = RootModel[Audited]
    found = [
        parse(record, line, where=f"{path}:{number}:", error=DataError).root
        for number, line in enumerate(lines, 1)
    ]
    return with_verdicts(found, verdicts(folder))


def with_verdicts(found: Sequence[Audited], said: Mapping[str, bool]) -> tuple[Audited, ...]:
    """The same, where what waited has what a person said."""
    return tuple(
        replace(one, false=said[one.key], why="person" if said[one.key] else "")
        if one.false is None and one.key in said
        else one
        for one in found
    )


def verdicts(folder: Path) -> dict[str, bool]:
    """Whether an answer is false, by key, as a person said last."""
    lines = ledger.lines(folder / VERDICTS, tolerate_torn_end=True)
    for line in lines:
        if not isinstance(line.get("key"), str) or line.get("false") not in (0, 1):
            raise DataError(f"{folder / VERDICTS}: a line has no key with a verdict; {ledger.CHANGED}")
    return {line["key"]: bool(line["false"]) for line in lines}


def say(folder: Path, audited: Audited, *, false: bool) -> None:
    """Add a person's verdict, forced to disk. A later one on the same answer counts. What was half written when a machine
    stopped goes first."""
    kept = Ledger(folder, VERDICTS)
    if there(kept.path):
        kept.rewind(sys.maxsize)
    kept.append(audited.step, {"key": audited.key, "false": int(false)})


def windows(audited: Sequence[Audited], under: str) -> list[Window]:
    """What the audits of one reward came to, window by window."""
    counts: dict[int, list[int]] = {}
    for one in audited:
        if one.under == under and one.false is not None:
            count = counts.setdefault(one.step, [0, 0])
            count[0] += 1
            count[1] += one.false
    return [Window(judged, false) for _, (judged, false) in sorted(counts.items())]
