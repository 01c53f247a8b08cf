"""How many rows came to each step of a curation and stayed: what its manifest says of it, for every reader of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pydantic import JsonValue

from lingshu_train.runs.manifest import Manifest

FACT = "funnel"
DECIDED = (("dropped", "drop", "left out"), ("flagged", "flag", "pointed out"), ("tagged", "tag", "tagged"))
"""What a manifest calls the counts of each action, the action, and how it is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A step: rows that came to it, and of how many it decided what."""

    step: str
    rows: int
    dropped: int
    flagged: int
    tagged: int

    def told(self) -> dict[str, JsonValue]:
        """As a manifest holds it."""
        return asdict(self)


def steps(made: Manifest) -> tuple[Passed, ...]:
    """The steps in order; none where the stage decided nothing of rows, or was done by an older version."""
    told = made.results.get(FACT)
    return tuple(_passed(each) for each in told if isinstance(each, dict)) if isinstance(told, list) else ()


def sentences(made: Manifest) -> list[str]:
    """How many rows stayed, and what was decided of how many for which reason; none where nothing was."""
    if not steps(made):
        return []
    before, after = made.results.get("rows_before"), made.results.get("samples")
    lines = [f"{made.stage.name}: {_number(after)} of {_number(before)} rows stayed"]
    for key, _, said in DECIDED:
        counts = made.results.get(key)
        if isinstance(counts, dict) and counts:
            told = ", ".join(f"{reason} ({_number(count)})" for reason, count in counts.items())
            lines.append(f"{made.stage.name}: {said}: {told}")
    return lines


def _passed(told: dict[str, JsonValue]) -> Passed:
    rows, dropped, flagged, tagged = (
        count if isinstance(count := told.get(name), int) else 0
        for name in ("rows", "dropped", "flagged", "tagged")
    )
    return Passed(step=str(told.get("step")), rows=rows, dropped=dropped, flagged=flagged, tagged=tagged)


def _number(count: JsonValue) -> str:
    return f"{count:,}" if isinstance(count, int) else str(count)
