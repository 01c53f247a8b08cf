"""What faults are done to: the undisturbed runs of a tiny recipe, and copies of them before a stage and at half way."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml

from lingshu_train.drill import command, drawn
from lingshu_train.drill.command import Ended
from lingshu_train.drill.drawn import StageName
from lingshu_train.errors import LingshuError
from lingshu_train.naming import file_digest
from lingshu_train.runs import ledger
from lingshu_train.runs import run as runs
from lingshu_train.runs.files import write_text

Start = Literal["fresh", "halfway", "done"]
PIPELINES: dict[StageName, str] = {"sft": "pipeline=[data,base,sft]", "rl": "pipeline=[data,base,sft,rl]"}
HALFWAY: dict[StageName, int] = {"sft": 8, "rl": 5}
"""The step at which a run that is to be gone on with was killed: two checkpoints are there, and steps beyond the newest."""
PASSING = ("ran_again", "not_finite")
"""What a line says beside its numbers where a batch was run again and was finite then: the fault has passed."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a stage came to: sha256 of its weights by file, and its ledger without timings."""

    weights: tuple[tuple[str, str], ...]
    steps: tuple[str, ...]

    def unlike(self, other: Result) -> str:
        """How this differs from an undisturbed run's; empty where it does not."""
        if self.weights != other.weights:
            return "other weights" if self.weights else "no weights"
        return "" if self.steps == other.steps else "another ledger"


def result(stage_folder: Path) -> Result:
    files = sorted((stage_folder / "model").glob("*.safetensors"))
    lines = ledger.steps(stage_folder)
    kept = [{key: value for key, value in line.items() if key not in PASSING} for line in lines]
    return Result(
        weights=tuple((path.name, file_digest(path)) for path in files),
        steps=tuple(json.dumps(ledger.replayable(line), sort_keys=True) for line in kept),
    )


def stage_folder(run: Path, stage: str) -> Path:
    """A stage's folder in a run, as the last plan names it; where run.json is gone, the one that is there."""
    with suppress(LingshuError):
        found = runs.read(run)
        return found.folder(found.stage(stage))
    there = [path for path in run.glob(f"{stage}-*") if path.is_dir()]
    if len(there) != 1:
        raise LingshuError(f"{run}: {len(there)} folders of stage {stage}, and there should be one")
    return there[0]


@dataclass(slots=True)
class Ground:
    """The folder of a drill. `runs` are made when they are first asked for."""

    folder: Path
    cold: bool = False
    limit_s: float = 180.0
    runs: dict[tuple[StageName, int, Start], Path] = field(default_factory=dict)

    @property
    def recipe(self) -> Path:
        return self.folder / f"{drawn.RECIPE}.yaml"

    def draw(self) -> None:
        """Pictures, rows, card and recipe. What an earlier drill left is no ground of this one."""
        shutil.rmtree(self.folder / "ground", ignore_errors=True)
        drawn.data(self.folder)
        write_text(self.recipe, yaml.safe_dump(drawn.recipe(), sort_keys=False))

    def words(
        self,
        run: Path,
        stage: StageName,
        ranks: int,
        *,
        recipe: Path | None = None,
        cards: Path | None = None,
    ) -> list[str]:
        """The command line that trains a stage, after `lingshu`."""
        return [
            *(
                "run",
                str(recipe or self.recipe),
                f"output={run}",
                "--cards",
                str(cards or self.folder / "cards"),
            ),
            PIPELINES[stage],
            *(() if ranks == 1 else (f"cluster.processes={ranks}", "stages.sft.per_device_batch=2")),
        ]

    def environment(self) -> dict[str, str]:
        """Of every command: a key of the drill's own signs its checkpoints, and nothing is asked of a network."""
        return {
            "LINGSHU_KEY": "the-key-of-a-drill-which-signs-nothing-else",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        }

    def undisturbed(self, stage: StageName, ranks: int) -> Result:
        return result(stage_folder(self.run(stage, ranks, "done"), stage))

    def run(self, stage: StageName, ranks: int, start: Start) -> Path:
        """A run in which the stage has not begun, was killed at half way, or has finished."""
        key = (stage, ranks, start)
        if key not in self.runs:
            name = f"{stage}-{ranks}-{start}"
            self.runs[key] = self.once(name, lambda place: self._make(place, stage, ranks, start))
        return self.runs[key]

    def once(self, name: str, make: Callable[[Path], object]) -> Path:
        """A folder of the ground that the first to ask makes, and for which the others wait."""
        place = self.folder / "ground" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.with_name(f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.exists():
                begun = place.with_name(f"{name}-begun")
                shutil.rmtree(begun, ignore_errors=True)
                make(begun)
                begun.rename(place)
        return place

    def _make(self, place: Path, stage: StageName, ranks: int, start: Start) -> None:
        if start == "done":
            before = self._before(stage, ranks)
            if before:
                shutil.copytree(before, place, symlinks=True)
            self._need(self.start(self.words(place, stage, ranks), place).wait(self.limit_s))
            return
        done = self.run(stage, ranks, "done")
        shutil.copytree(done, place, symlinks=True, ignore=shutil.ignore_patterns(f"{stage}-*"))
        if start == "halfway":
            process = self.start(self.words(place, stage, ranks), place)
            command.kill_when(
                process, lambda: steps_done(place, stage) >= HALFWAY[stage], limit_s=self.limit_s
            )

    def _before(self, stage: StageName, ranks: int) -> Path | None:
        """A run that has done the first part of the same."""
        if stage == "rl":
            return self.run("sft", ranks, "done")
        return self.run("sft", 1, "fresh") if ranks > 1 else None

    def start(self, words: list[str], run: Path) -> command.Process:
        return command.start(
            words, log=run.parent / f"{run.name}.log", variables=self.environment(), cold=self.cold
        )

    def _need(self, ended: Ended) -> None:
        if ended.code != 0:
            raise LingshuError(
                f"the undisturbed run itself ended with {ended.code}: {ended.line}; nothing was drilled"
            )


def steps_done(run: Path, stage: str) -> int:
    """Whole lines of a stage's ledger so far."""
    with suppress(LingshuError, FileNotFoundError):
        return (stage_folder(run, stage) / ledger.NAME).read_bytes().count(b"\n")
    return 0
