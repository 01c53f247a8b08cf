"""The rule by which every end is judged; no fault has one of its own.

handled: the right exit code, one line of ours, nothing left running, and after the same command again the weights and the
ledger of an undisturbed run, bit for bit. silent: an end that looks well and is not. crash: a traceback, another exit code, no
line, something left running, or a run that cannot be gone on with. hang: no end within the limit.
"""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

from lingshu_train.drill import tree
from lingshu_train.drill.command import Ended
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.ground import Ground
from lingshu_train.drill.record import Kind, Row
from lingshu_train.drill.scene import Scene, Skip
from lingshu_train.errors import LingshuError

LEFT_S = 5.0
"""So long what a command started may take to end after it."""


def judged(ground: Ground, fault: Fault, *, time_: int, draw: random.Random) -> Row:
    """Do a fault to a fresh copy of its run, run the same command again, and say what became of it."""
    scene = _scene(ground, fault, time_, draw)
    try:
        row = _row(scene, fault, time_)
    finally:
        tree.left(within_s=0)
    if row.kind in ("handled", "skipped"):
        scene.clear()
    return row


def _scene(ground: Ground, fault: Fault, time_: int, draw: random.Random) -> Scene:
    ground.run(fault.stage, fault.ranks, "done")
    source = ground.run(fault.stage, fault.ranks, fault.start)
    run = ground.folder / "scenes" / f"{fault.name}-{fault.stage}-{fault.ranks}-{time_}" / "run"
    shutil.rmtree(run.parent, ignore_errors=True)
    run.parent.mkdir(parents=True)
    shutil.copytree(source, run, symlinks=True)
    return Scene(ground, run, fault.stage, fault.ranks, draw)


def _row(scene: Scene, fault: Fault, time_: int) -> Row:
    started = time.monotonic()
    ended: Ended | None = None
    again: Ended | None = None
    equal: bool | None = None
    seconds, went_on = 0.0, False
    try:
        ended = fault.do(scene)
        seconds = time.monotonic() - (scene.struck_at or started)
        kind, why = _first(scene, fault, ended)
        if kind == "handled":
            went_on = scene.begun_after > 0 or not scene.done
            if fault.mend is not None:
                fault.mend(scene)
            again = (scene.again or scene.go_on)()
            kind, why, equal = _second(scene, again)
    except Skip as reason:
        kind, why = "skipped", str(reason)
    except (LingshuError, OSError) as reason:
        kind, why = "crash", f"the fault could not be done: {reason}"
    return Row(
        fault=fault.name,
        number=fault.number,
        says=fault.says,
        stage=fault.stage,
        ranks=fault.ranks,
        time=time_,
        kind=kind,
        code=ended.code if ended else None,
        again=again.code if again else None,
        line=_told(scene, ended.line) if ended and ended.told else "",
        why=_told(scene, why),
        seconds=round(seconds, 2),
        lost=_lost(scene, went_on) if equal and scene.struck_at else None,
        equal=equal,
    )


def _first(scene: Scene, fault: Fault, ended: Ended) -> tuple[Kind, str]:
    """What the command comes to that the fault was done to."""
    left = tree.left(within_s=LEFT_S)
    if ended.code is None:
        return "hang", f"no end within {scene.ground.limit_s:g} s"
    if scene.harm:
        return "silent", scene.harm
    unlike = scene.unlike() if ended.code == 0 and scene.weighed else ""
    if unlike:
        return "silent", f"exit code 0 with {unlike}"
    if ended.code not in fault.codes:
        return "crash", f"exit code {ended.code} and not {' or '.join(map(str, fault.codes))}"
    if ended.traceback and not fault.traceback:
        return "crash", "a traceback"
    if ended.code > 0 and not ended.told:
        return "crash", "no line that says why"
    if left:
        return "crash", f"left running: {', '.join(left)}"
    return "handled", ""


def _second(scene: Scene, again: Ended) -> tuple[Kind, str, bool]:
    """What the same command again comes to."""
    if again.code is None:
        return "hang", f"the same command again: no end within {scene.ground.limit_s:g} s", False
    if again.code != 0:
        return "crash", f"the same command again: {again.code}, {again.line}", False
    unlike = scene.harm or scene.unlike()
    if unlike:
        return "silent", f"the same command again: exit code 0 with {unlike}", False
    left = tree.left(within_s=LEFT_S)
    if left:
        return "crash", f"the same command again left running: {', '.join(left)}", True
    return "handled", "", True


def _lost(scene: Scene, went_on: bool) -> int:
    """Steps that were done twice: none where the command that was struck finished the stage itself."""
    return max(scene.done_at - scene.resumed_at(), 0) if went_on else 0


def _told(scene: Scene, text: str) -> str:
    """Without the places of this machine."""
    for place, name in ((scene.run, "RUN"), (scene.ground.folder, "DRILL")):
        for spelled in (str(place), str(Path(place).absolute())):
            text = text.replace(spelled, name)
    return text
