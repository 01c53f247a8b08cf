"""Which weights descend from steps of training: checkpoints, models, exports and what was pushed of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.runs import checkpoint, pushed
from lingshu_train.runs.pushed import Pushed
from lingshu_train.runs.run import State
from lingshu_train.runs.stage import Stage

MODEL, EXPORT = "model", "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """Folders below the run's, and repositories. `models` and `exports` carry what was trained; `checkpoints` too, and
    `free` are checkpoints of the same stages from before the first of these steps; `begun`: stages that start from such a
    model and have none of their own yet; `measured`: results of such models."""

    models: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    begun: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    pushes: tuple[Pushed, ...] = ()


def carried(
    run: Path,
    begun: Sequence[tuple[Stage, State]],
    first: Mapping[str, int],
    *,
    holding: Collection[str] = (),
) -> Carried:
    """What of the stages of a run carries the steps that begin at `first` of each, by the name of its folder. `holding`:
    folders of the stages whose corpora have the rows, which may have been pushed as data sets."""
    names = descending([stage for stage, _ in begun], set(first))
    found: dict[str, list[str]] = defaultdict(list)
    pushes: list[Pushed] = []
    for stage, state in begun:
        place = stage.path.name
        if place in holding:
            pushes += pushed.read(stage.path)
        if place not in names:
            continue
        if stage.about.role == "results":
            found["measured"].append(place)
            continue
        out = EXPORT if stage.about.role == "export" else MODEL
        found[f"{out}s" if state == "done" else "begun"].append(
            f"{place}/{out}" if state == "done" else place
        )
        base = stage.about.starts_from
        inherits = bool(base) and stage.parent(base).name in names
        for each in checkpoint.existing(stage.path):
            late = inherits or checkpoint.step_of(each) >= first.get(place, 0)
            found["checkpoints" if late else "free"].append(each.relative_to(run).as_posix())
        pushes += pushed.read(stage.path)
    return Carried(**{name: tuple(places) for name, places in found.items()}, pushes=tuple(pushes))


def descending(begun: Sequence[Stage], names: set[str]) -> set[str]:
    """Folders of the stages whose weights, or measured results, come from those of `names`, and these themselves. What is only
    measured hands nothing on."""
    found, size = set(names), -1
    results = {stage.path.name for stage in begun if stage.about.role == "results"}
    while len(found) > size:
        size = len(found)
        for stage in begun:
            above = {Path(folder).name for folder in stage.parents.values()}
            if above & found - results and stage.about.role in ("model", "export", "results"):
                found.add(stage.path.name)
    return found
