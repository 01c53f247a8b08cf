"""A folder of a plain script in which one fault happens."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lingshu_train.drill import command
from lingshu_train.drill.command import Ended, Process
from lingshu_train.drill.stock import script
from lingshu_train.errors import LingshuError
from lingshu_train.naming import file_digest
from lingshu_train.running import warm

Kind = Literal["trainer", "sft", "grpo"]
CALLED: dict[Kind, str] = {"trainer": "Trainer", "sft": "SFTTrainer", "grpo": "GRPOTrainer"}
LIMIT_S = 90.0


@dataclass(slots=True)
class Bench:
    """The folder of the scripts, and the results of their undisturbed runs."""

    folder: Path
    results: dict[tuple[Kind, str], dict[str, str]] = field(default_factory=dict)

    def build(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        # In a process of its own: this one makes no tensor, so that it can be forked.
        made = command.start(
            ["build", str(self.folder)], log=self.folder / "log.txt", variables={}, module=warm.STOCK
        )
        if made.wait(LIMIT_S).code != 0:
            raise LingshuError(
                f"{self.folder / 'log.txt'}: the model of the plain scripts could not be built"
            )

    def scene(self, name: str, kind: Kind, draw: random.Random) -> Scene:
        folder = self.folder / f"{name}-{kind}"
        folder.mkdir(parents=True)
        shutil.copytree(self.folder / "base", folder / "base")
        shutil.copyfile(self.folder / "rows.json", folder / "rows.json")
        return Scene(self, folder, kind, draw)

    def undisturbed(self, kind: Kind, *more: str) -> dict[str, str]:
        """What a run of these arguments comes to from its first step."""
        key = (kind, " ".join(more))
        if key not in self.results:
            scene = self.scene(f"undisturbed{len(self.results)}", kind, random.Random(0))
            ended = scene.go_on(*more)
            if ended.code != 0:
                raise LingshuError(f"the plain script itself ended with {ended.code}: {ended.line}")
            self.results[key] = scene.result()
        return self.results[key]


@dataclass(slots=True)
class Scene:
    bench: Bench
    folder: Path
    kind: Kind
    draw: random.Random
    struck_at: float | None = None
    done_at: int = 0
    words: tuple[str, ...] = ()
    """Arguments that the same command has from now on."""
    harm: str = ""

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def steps(self) -> int:
        return script.STEPS_OF_GRPO if self.kind == "grpo" else script.STEPS

    def start(self, *more: str, spoil: warm.Spoil | None = None, preexec: str = "") -> Process:
        return command.start(
            [self.kind, str(self.folder), *self.words, *more],
            log=self.folder / "log.txt",
            variables={"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            spoil=spoil,
            preexec=preexec,
            module=warm.STOCK,
        )

    def go_on(self, *more: str, spoil: warm.Spoil | None = None) -> Ended:
        return self.start(*more, spoil=spoil).wait(LIMIT_S)

    def struck(self) -> None:
        self.struck_at = time.monotonic()
        self.done_at = self.steps_done()

    def steps_done(self) -> int:
        """Steps that the script has logged since it was started."""
        log = self.folder / "log.txt"
        return log.read_bytes().count(b"drill-step") if log.exists() else 0

    def when(self, process: Process, happened: Callable[[], bool]) -> None:
        command.when(process, happened, limit_s=LIMIT_S)

    def kill(self, process: Process) -> Ended:
        self.struck()
        command.kill(process)
        return Ended(code=-signal.SIGKILL, seconds=0.0, line="", traceback=False)

    def interrupted(self, step: int) -> Ended:
        """Killed once so many steps are done; the checkpoints up to there are left."""
        process = self.start(spoil=counted)
        self.when(process, lambda: self.steps_done() >= step)
        return self.kill(process)

    def newest(self) -> Path:
        return max(self.out.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))

    def result(self) -> dict[str, str]:
        """sha256 of the final weights."""
        return {
            path.name: file_digest(path)
            for path in sorted((self.folder / script.FINAL).glob("*.safetensors"))
        }

    def last_step(self) -> int:
        history = json.loads((self.folder / script.FINAL / "history.json").read_text(encoding="utf-8"))
        return max((int(line["step"]) for line in history if "step" in line), default=0)


def counted() -> None:
    """Say on standard error when a step is done, as nothing on the disk does."""
    import sys

    from transformers import TrainerCallback
    from transformers.trainer import DEFAULT_CALLBACKS

    class Says(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: object, state: object, control: object, **_: object) -> None:
            sys.stderr.write("drill-step\n")

    DEFAULT_CALLBACKS.append(Says)
