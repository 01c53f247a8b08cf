"""How far the stages of a run are, and how fast: what a reader of a page wants to know while it goes on."""

from __future__ import annotations

from dataclasses import dataclass

from lingshu_train.report.gather import RunView, StageView

RECENT = 20
"""Steps whose pace is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A stage that has begun and is not done. `total` steps None: not known; the same of its pace and of what is left."""

    name: str
    method: str
    done: int
    total: int | None
    per_minute: float | None

    @property
    def seconds_left(self) -> float | None:
        if self.total is None or not self.per_minute:
            return None
        return 60 * max(0, self.total - self.done) / self.per_minute


def progress(view: RunView) -> list[Progress]:
    """The stages at work; none where no process runs the run."""
    return [_of(each) for each in view.stages if each.state == "unfinished"] if view.running else []


def _of(view: StageView) -> Progress:
    recent = [seconds for _, seconds in view.column("seconds")[-RECENT:]]
    return Progress(
        name=view.name,
        method=view.about.method,
        done=view.steps,
        total=_total(view),
        per_minute=60 * len(recent) / sum(recent) if sum(recent) > 0 else None,
    )


def _total(view: StageView) -> int | None:
    """Steps that the recipe gives, or as many as its epochs come to at the pace of the last line."""
    given = view.stage.config if view.stage else {}
    steps, epochs = given.get("steps"), given.get("epochs")
    if isinstance(steps, int):
        return steps
    lines = view.column("epoch")
    if not isinstance(epochs, int | float) or not lines or not lines[-1][1]:
        return None
    step, epoch = lines[-1]
    return round(step * epochs / epoch)
