"""SIGKILL to all processes at once, at any moment: what a node that is gone or a queue without patience does."""

from __future__ import annotations

import time

from lingshu_train.drill import drawn
from lingshu_train.drill.command import Ended
from lingshu_train.drill.drawn import StageName
from lingshu_train.drill.fault import KILLED, Fault
from lingshu_train.drill.scene import Scene
from lingshu_train.runs import checkpoint

WITHIN_S = 0.3
"""A step of these runs takes less on a quiet machine, so that any moment of it may be hit."""


def _at_a_step(scene: Scene) -> Ended:
    """Somewhere in the step after one that is drawn, or while it is logged or saved."""
    process = scene.start()
    scene.when_step(process, scene.draw.randrange(drawn.STEPS[scene.stage]))
    time.sleep(scene.draw.uniform(0, WITHIN_S))
    return scene.kill(process)


def _while_it_saves(scene: Scene) -> Ended:
    """The moment the first file of a checkpoint appears in its hidden folder."""
    saves = drawn.STEPS[scene.stage] // drawn.SAVE_EVERY[scene.stage]
    half = (
        checkpoint.FOLDER,
        f".writing-{drawn.SAVE_EVERY[scene.stage] * scene.draw.randint(1, saves - 1):08d}",
    )
    process = scene.start()
    scene.when(process, lambda: any(scene.run.glob("/".join((f"{scene.stage}-*", *half, "*")))))
    return scene.kill(process)


def _twice(scene: Scene) -> Ended:
    """Killed, gone on with, and killed again before the next checkpoint."""
    first = scene.start()
    scene.when_step(first, 4)
    scene.kill(first)
    second = scene.start()
    scene.when_step(second, 5)
    return scene.kill(second)


def _at_step(stage: StageName, ranks: int, *, quick: bool = False) -> Fault:
    return Fault(
        name="kill",
        number="F1",
        says="SIGKILL to all processes at a random step",
        do=_at_a_step,
        codes=(KILLED,),
        stage=stage,
        ranks=ranks,
        quick=quick,
        times=True,
    )


FAULTS = (
    _at_step("sft", 1, quick=True),
    _at_step("sft", 2),
    _at_step("rl", 1, quick=True),
    _at_step("rl", 2),
    *(
        Fault(
            name="kill_while_saving",
            number="F2",
            says="SIGKILL to all processes while a checkpoint is written",
            do=_while_it_saves,
            codes=(KILLED,),
            stage=stage,
            quick=stage == "sft",
        )
        for stage in ("sft", "rl")
    ),
    Fault(
        name="kill_twice",
        number="F1",
        says="SIGKILL, and again before the next checkpoint",
        do=_twice,
        codes=(KILLED,),
    ),
)
