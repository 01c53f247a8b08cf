"""Replays steps of a stage and says where they differ from what its ledger tells."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lingshu_train
from lingshu_train.documents import there
from lingshu_train.errors import MissingInput, UsageError
from lingshu_train.replaying import again
from lingshu_train.runs import checkpoint, ledger, manifest
from lingshu_train.runs import run as runs
from lingshu_train.runs import stage as stages
from lingshu_train.runs.flat import scalars
from lingshu_train.runs.stage import Stage
from lingshu_train.training.divergence import NOT_FINITE, RAN_AGAIN

TOLERANCE = 1e-4
"""Relative difference of a loss or gradient norm that counts as none, for steps on a GPU without `cluster.deterministic`."""
SMALL = 1e-6
"""Absolute: a GRPO loss is zero but for rounding at the first step of a window."""
SHOWN = ("loss", "grad_norm", "samples")
"""Columns of the table; all others that replay are compared too where the bits count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One step: what the ledger tells, what came again, and the columns in which they differ."""

    step: int
    recorded: Mapping[str, Any]
    again: Mapping[str, Any]
    differing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be run: from `start` (None: the stage's own start) to step `last`, `first` being the first that is compared.
    `changed`: what of code and machine is not as recorded. `tolerance` 0: bit for bit."""

    stage: Stage
    start: Path | None
    first: int
    last: int
    recorded: tuple[dict[str, Any], ...]
    device: str
    threads: int
    changed: tuple[str, ...]
    tolerance: float

    @property
    def begins(self) -> int:
        """The step that is done before the first."""
        return checkpoint.step_of(self.start) if self.start else 0

    def __str__(self) -> str:
        place = f"checkpoint {self.start.name}" if self.start else "the stage's start"
        count = self.stage.world_size
        how = "bit for bit" if not self.tolerance else f"within {self.tolerance:g} (relative)"
        processes = f"{count} process{'es' if count > 1 else ''}"
        head = (
            f"{self.stage.name}, steps {self.first:,} to {self.last:,}: {self.last - self.begins:,} steps from {place}, "
            f"{processes}, compared {how}"
        )
        told = [f"not as recorded: {line}" for line in self.changed] or ["code and machine are as recorded"]
        return "\n".join([head, *told])


def plan(folder: Path, name: str, steps: str, *, tolerance: float | None = None) -> Plan:
    """Decide what a replay would run. UsageError: steps that are none, or a stage that does not train. MissingInput (66): the
    stage has not come so far, or nothing to start from is left."""
    found = runs.read(folder)
    entry = found.stage(name)
    place = found.folder(entry)
    stage = _moved(stages.read(place / "stage.json"), place, found.path)
    if not stage.about.trains:
        raise UsageError(
            f"{name!r} is a stage of kind {stage.kind}, which takes no optimizer steps to replay"
        )
    first, last = _range(steps)
    lines = {line["step"]: line for line in ledger.steps(place, tolerate_torn_end=True)}
    reached = max(lines, default=0)
    if last > reached:
        raise MissingInput(f"{place}: --steps {steps}: the ledger ends at step {reached}")
    gone = [step for step in range(first, last + 1) if step not in lines]
    if gone:
        raise MissingInput(f"{place}: --steps {steps}: the ledger has no step {gone[0]}")
    device, threads, changed = _environment(place, stage)
    if tolerance is None:
        tolerance = 0.0 if device == "cpu" or stage.cluster.deterministic else TOLERANCE
    return Plan(
        stage=stage,
        start=again.start_of(stage, first),
        first=first,
        last=last,
        recorded=tuple(lines[step] for step in range(first, last + 1)),
        device=device,
        threads=threads,
        changed=tuple(changed),
        tolerance=tolerance,
    )


def replay(
    made: Plan,
    *,
    scratch: Path | None = None,
    keep: bool = False,
    tick: Callable[[int], None] = lambda _: None,
) -> list[Compared]:
    """Run the steps of a plan in a new folder below `scratch` (the system's for temporary files), which is removed unless it is
    to be kept, and compare."""
    folder = Path(tempfile.mkdtemp(prefix="replay-", dir=scratch))
    try:
        stage = again.scratch_of(
            made.stage, folder / made.stage.path.name, made.start, device=made.device, threads=made.threads
        )
        lines = {line["step"]: line for line in again.run(stage, last=made.last, tick=tick)}
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    return [
        Compared(
            step=line["step"],
            recorded=line,
            again=lines[line["step"]],
            differing=differing(line, lines[line["step"]], tolerance=made.tolerance),
        )
        for line in made.recorded
    ]


def differing(recorded: Mapping[str, Any], found: Mapping[str, Any], *, tolerance: float) -> tuple[str, ...]:
    """Columns in which two lines of one step differ: of all that replay where the bits count, else of the loss, the gradient
    norm and the samples."""
    one, other = ledger.replayable(dict(recorded)), ledger.replayable(dict(found))
    if RAN_AGAIN in one:
        # A passing fault of the machine: the batch was run again, and that is what the line tells of.
        one = {key: value for key, value in one.items() if key not in (RAN_AGAIN, NOT_FINITE)}
    if not tolerance:
        return tuple(key for key in sorted({*one, *other}) if one.get(key) != other.get(key))
    return tuple(key for key in SHOWN if not _close(one.get(key), other.get(key), tolerance))


def table(compared: Sequence[Compared]) -> str:
    """Step by step: loss, gradient norm and samples, as recorded and again where they differ."""
    rows = [["step", *SHOWN, ""]]
    for one in compared:
        cells = [_cell(one.recorded.get(key), one.again.get(key)) for key in SHOWN]
        rows.append(
            [str(one.step), *cells, f"differs: {', '.join(one.differing)}" if one.differing else "equal"]
        )
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _moved(stage: Stage, place: Path, run: Path) -> Stage:
    """The stage with its folders where the run lies now."""
    beside = {name: run / Path(folder).name for name, folder in stage.parents.items()}
    parents = {
        name: str(beside[name]) if beside[name].is_dir() else folder for name, folder in stage.parents.items()
    }
    return stage.model_copy(update={"folder": str(place), "parents": parents})


def _range(steps: str) -> tuple[int, int]:
    """`A:B` or `A`, from 1, both included."""
    first, colon, last = steps.partition(":")
    try:
        found = int(first), int(last if colon else first)
    except ValueError:
        found = 0, 0
    if not 1 <= found[0] <= found[1]:
        raise UsageError(
            f"--steps {steps}: write A:B, the first and the last step, counted from 1, as in 81:90"
        )
    return found


def _environment(place: Path, stage: Stage) -> tuple[str, int, list[str]]:
    """Device and threads that the stage was recorded on, and what of the rest is not the same here."""
    changed = []
    if stage.version != lingshu_train.__version__:
        changed.append(f"lingshu-train: {stage.version}, now {lingshu_train.__version__}")
    if not there(place / manifest.NAME):
        changed.append(
            "unknown: the stage has not finished, and its manifest alone tells of packages and machine"
        )
        return stage.cluster.device, stage.cluster.threads, changed
    told = manifest.read(place).environment
    here = manifest.environment(
        device=told.device, processor=told.processor, world_size=told.world_size, threads=told.threads
    )
    before, now = (dict(scalars(one.model_dump(mode="json"))) for one in (told, here))
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            changed.append(f"{key}: {before.get(key, 'none')}, now {now.get(key, 'none')}")
    return told.device, told.threads, changed


def _close(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=SMALL)
    return bool(one == other)


def _cell(one: object, other: object) -> str:
    return str(one) if one == other else f"{one} -> {other}"
