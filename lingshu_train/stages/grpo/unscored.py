"""Why completions had no score: told once a kind of fault, kept beside the stage, and summed up for the report."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lingshu_train.documents import read_json, there
from lingshu_train.rewards import _metrics
from lingshu_train.rewards._compose import Total
from lingshu_train.runs import ledger
from lingshu_train.runs.files import write_json

NAME = "unscored.json"
"""Below the stage's folder: of each term and status, the reason that was met first. Counts stand in the ledger."""
SUM = "sum"
"""What stands for a term where every term has a value and only their weighted sum is too large."""


class Unscored:
    """What the first rank has said of missing scores, so that a resumed stage does not say it again."""

    def __init__(self, folder: Path, title: str) -> None:
        self._path, self._title = folder / NAME, title
        self._known = reasons(folder)

    def tell(self, step: int, totals: Sequence[Total]) -> None:
        """Say the faults of a window that were not met before: a line on standard error each, and the file."""
        new = {}
        for name, status, why in _metrics.faults(totals):
            key = f"{name}/{status}"
            if key not in self._known and key not in new:
                new[key] = why
                told = f": {why}" if why else ""
                sys.stderr.write(
                    f"lingshu: {self._title}: step {step}: reward {name}: {status}{told}; such completions are left "
                    f"unscored, and counted as rewards/{name}/unscored\n"
                )
        if new:
            self._known |= new
            write_json(self._path, self._known)


def summed(totals: Sequence[Total]) -> str:
    """The commonest reasons of a window in which nothing could be scored, for one line."""
    counts = Counter((name, status) for name, status, _ in _metrics.faults(totals))
    first = {(name, status): why for name, status, why in reversed(_metrics.faults(totals))}
    parts = [
        f"reward {name}: {status}, {count} times"
        + (f", first {first[name, status]}" if first[name, status] else "")
        for (name, status), count in counts.most_common(3)
    ]
    return "; ".join(parts) or "the weighted sums of the terms are too large"


def reasons(folder: Path) -> dict[str, str]:
    """Reasons by "term/status"; none where nothing was missing."""
    path = folder / NAME
    found = read_json(path) if there(path) else {}
    return {str(key): str(why) for key, why in found.items()} if isinstance(found, dict) else {}


def warnings(folder: Path, title: str, *, window: int) -> list[str]:
    """One sentence a term that left completions unscored, with how many in the whole stage and why."""
    lines = [line for line in ledger.steps(folder) if (line["step"] - 1) % window == 0]
    known = reasons(folder)
    found = []
    for name in dict.fromkeys(key.split("/")[0] for key in known):
        count = sum(line.get(f"rewards/{name}/unscored") or 0 for line in lines)
        why = "; ".join(
            key.split("/", 1)[1] + (f" ({text})" if text else "")
            for key, text in known.items()
            if key.split("/")[0] == name
        )
        found.append(f"{title}: reward {name} left {count:.0f} completions unscored: {why}")
    return found
