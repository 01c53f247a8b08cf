"""Told to stop, wherever the run is: 75, nothing left running, and no more lost than has to be."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from lingshu_train.drill import drawn
from lingshu_train.drill.command import Ended
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.scene import Scene
from lingshu_train.runs import checkpoint

AGAIN = 75


def _in_training(
    number: signal.Signals, *, group: bool = False, times: int = 1, step: int = 4
) -> Callable[[Scene], Ended]:
    def do(scene: Scene) -> Ended:
        process = scene.start()
        scene.when_step(process, step)
        scene.struck()
        for _ in range(times):
            (os.killpg if group else os.kill)(process.pid, number)
            time.sleep(0.05)
        return scene.finish(process)

    return do


def _one_rank(scene: Scene) -> Ended:
    """As when one of several machines is taken away."""
    process = scene.start()
    scene.when_step(process, 4)
    ranks = scene.ranks_of(process)
    scene.struck()
    os.kill(ranks[-1], signal.SIGTERM)
    return scene.finish(process)


def _while_it_saves(scene: Scene) -> Ended:
    half = f"{scene.stage}-*/{checkpoint.FOLDER}/.writing-*/*"
    process = scene.start()
    scene.when(process, lambda: any(scene.run.glob(half)))
    scene.struck()
    os.kill(process.pid, signal.SIGTERM)
    return scene.finish(process)


def _in(stage: str) -> Callable[[Scene], Ended]:
    """In an earlier stage, just begun, of a run that has nothing yet."""

    def do(scene: Scene) -> Ended:
        for path in [*scene.run.glob("data-*/manifest.json"), *scene.run.glob("base-*/manifest.json")]:
            if stage == "data" or path.parent.name.startswith("base-"):
                path.unlink()
        error = f"{stage}-*/.held"
        process = scene.start()
        scene.when(process, lambda: any(scene.run.glob(error)))
        scene.struck()
        os.kill(process.pid, signal.SIGTERM)
        return scene.finish(process)

    return do


def _at_the_end(scene: Scene) -> Ended:
    """In GRPO's parent, while its model is written: the next stage may not start."""
    process = scene.start()
    scene.when(process, lambda: any(scene.run.glob(f"{scene.stage}-*/model")))
    scene.struck()
    os.kill(process.pid, signal.SIGTERM)
    return scene.finish(process)


def _while_it_imports(scene: Scene) -> Ended:
    process = scene.start(cold=True)
    time.sleep(scene.draw.uniform(0.4, 0.8))
    scene.struck()
    os.kill(process.pid, signal.SIGTERM)
    return scene.finish(process)


def _ignored(scene: Scene) -> Ended:
    """What a parent has ignored (nohup) stays ignored."""
    process = scene.start(preexec="trap '' HUP")
    scene.when_step(process, 2)
    os.killpg(process.pid, signal.SIGHUP)
    return scene.finish(process)


def _fault(
    name: str,
    says: str,
    do: Callable[[Scene], Ended],
    *,
    codes: tuple[int, ...] = (AGAIN,),
) -> Fault:
    return Fault(name=name, number="F8", says=says, do=do, codes=codes)


FAULTS = (
    _fault("term", "SIGTERM to the launcher in a step", _in_training(signal.SIGTERM)).quickly(),
    _fault("term", "SIGTERM to the launcher in a step", _in_training(signal.SIGTERM)).on(2),
    Fault(
        name="term",
        number="F8",
        says="SIGTERM to the launcher in a window of GRPO",
        do=_in_training(signal.SIGTERM, step=3),
        codes=(AGAIN,),
        stage="rl",
    ),
    _fault("term_group", "SIGTERM to every process", _in_training(signal.SIGTERM, group=True)).on(2),
    _fault("term_twice", "SIGTERM, three times", _in_training(signal.SIGTERM, times=3)),
    _fault("term_one_rank", "SIGTERM to rank 1 alone", _one_rank).on(2),
    _fault("interrupt", "Ctrl-C: SIGINT to every process", _in_training(signal.SIGINT, group=True)),
    _fault(
        "hang_up", "the terminal closes: SIGHUP to every process", _in_training(signal.SIGHUP, group=True)
    ),
    _fault("hang_up_ignored", "SIGHUP under nohup", _ignored, codes=(0,)),
    _fault(
        "term_at_last_step",
        "SIGTERM at the last step",
        _in_training(signal.SIGTERM, step=drawn.STEPS["sft"]),
    ),
    _fault("term_while_saving", "SIGTERM while a checkpoint is written", _while_it_saves),
    _fault("term_at_stage_end", "SIGTERM while the model is written", _at_the_end).quickly(),
    _fault("term_in_prepare", "SIGTERM while data is prepared", _in("data")),
    _fault("term_in_build", "SIGTERM while the model is built", _in("base")),
    _fault(
        "term_in_imports", "SIGTERM in the first second", _while_it_imports, codes=(AGAIN, -signal.SIGTERM)
    ),
)
