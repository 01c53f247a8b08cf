"""Checkpoints that DeepSpeed divides among two ranks, of which the part of one is missing, damaged or of another step."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from lingshu_train.drill import ground as grounds
from lingshu_train.drill import scene as scenes
from lingshu_train.drill.command import Ended
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.ground import HALFWAY, Result
from lingshu_train.drill.scene import Scene
from lingshu_train.errors import LingshuError
from lingshu_train.runs import checkpoint

PART = "*/zero_pp_rank_1_*optim_states.pt"
"""Below a checkpoint: what rank 1 has of the optimizer, as DeepSpeed names it."""


def _divided(how: str, damage: Callable[[Scene, Path], object]) -> Callable[[Scene], Ended]:
    """A run under `how` that was killed at half way, with the newest checkpoint damaged; then the same command."""

    def do(scene: Scene) -> Ended:
        scene.settings = (f"cluster.deepspeed={how}",)
        scene.expected = _undisturbed(scene, how)
        process = scene.start()
        scene.when_step(process, HALFWAY["sft"])
        scene.kill(process)
        damage(scene, _part(scene.newest()))
        scene.struck()
        return scene.go_on()

    return do


def _part(folder: Path) -> Path:
    found = sorted(folder.glob(PART))
    if len(found) != 1:
        raise LingshuError(f"{folder}: {len(found)} files of rank 1's part, and there should be one")
    return found[0]


def _undisturbed(scene: Scene, how: str) -> Result:
    """What the same stage comes to without a fault; run once for each way of dividing."""

    def make(place: Path) -> None:
        shutil.copytree(scene.ground.run("sft", 2, "fresh"), place, symlinks=True)
        ended = scene.finish(scene.command(scene.words(run=place)))
        if ended.code != 0:
            raise LingshuError(f"the undisturbed run under {how} ended with {ended.code}: {ended.line}")

    return grounds.result(grounds.stage_folder(scene.ground.once(f"sft-2-{how}", make), "sft"))


def _remove(_: Scene, part: Path) -> None:
    part.unlink()


def _flip(scene: Scene, part: Path) -> None:
    scenes.flip(part, scene.draw)


def _cut(_: Scene, part: Path) -> None:
    scenes.cut(part)


def _older(scene: Scene, part: Path) -> None:
    """Rank 1's part of the checkpoint before, under the name that it has in the newest: a node's disk that was behind."""
    before = _part(checkpoint.existing(scene.folder)[-2])
    scenes.rewrite(part, before.read_bytes())


def _fault(name: str, how: str, says: str, damage: Callable[[Scene, Path], object]) -> Fault:
    return Fault(
        name=f"{how}_part_{name}",
        number="F5" if name == "removed" else "F4",
        says=f"{how}: {says}",
        do=_divided(how, damage),
        codes=(0,),
        ranks=2,
    )


FAULTS = (
    _fault("removed", "zero2", "rank 1's part of the newest checkpoint removed", _remove),
    _fault("flipped", "zero2", "one bit of rank 1's part of the newest checkpoint", _flip),
    _fault("older", "zero3", "rank 1's part is that of the checkpoint before", _older),
    _fault("cut", "zero3", "rank 1's part of the newest checkpoint cut in half", _cut),
)
