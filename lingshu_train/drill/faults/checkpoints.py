"""Files of checkpoints that a disk, a sync or a person has damaged, and checkpoints that somebody else wrote."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

from lingshu_train.drill import scene as scenes
from lingshu_train.drill.command import Ended
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.scene import Scene
from lingshu_train.naming import file_digest
from lingshu_train.runs import checkpoint

Damage = Callable[[Scene, Path], None]
FILES = (
    "model.safetensors",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
    "config.json",
    "ledgers/ledger.jsonl",
    checkpoint.NAME,
)
QUICK = (("flip", "model.safetensors"),)
FUTURE = 1893456000.0
"""2030-01-01, in seconds since 1970."""
_ALL_AT_ONCE = "model.safetensors"


def _flip(scene: Scene, path: Path) -> None:
    scenes.flip(path, scene.draw)


def _cut(scene: Scene, path: Path) -> None:
    scenes.cut(path)


def _empty(scene: Scene, path: Path) -> None:
    scenes.rewrite(path, b"")


def _remove(scene: Scene, path: Path) -> None:
    path.unlink()


DAMAGE: dict[str, tuple[str, Damage, str]] = {
    "cut": ("F3", _cut, "cut in half"),
    "empty": ("F3", _empty, "emptied"),
    "flip": ("F4", _flip, "with one bit flipped"),
    "remove": ("F5", _remove, "removed"),
}


def _newest(file: str, damage: Damage) -> Callable[[Scene], Ended]:
    def do(scene: Scene) -> Ended:
        damage(scene, scene.newest() / file)
        scene.struck()
        return scene.go_on()

    return do


def _all(scene: Scene) -> Ended:
    for folder in checkpoint.existing(scene.folder):
        scenes.flip(folder / _ALL_AT_ONCE, scene.draw)
    return scene.go_on()


def _emptied(scene: Scene) -> Ended:
    """By a person who wanted room: the stage begins again."""
    scene.struck()
    shutil.rmtree(scene.folder / checkpoint.FOLDER)
    return scene.go_on()


def _from_the_future(scene: Scene) -> Ended:
    """The oldest checkpoint has the newest time, as after a restore or with a clock that is off."""
    oldest = checkpoint.existing(scene.folder)[0]
    for path in (oldest, *oldest.rglob("*")):
        os.utime(path, (FUTURE, FUTURE))
    scene.struck()
    return scene.go_on()


def _of_another_stage(scene: Scene) -> Ended:
    """A later checkpoint, whole and signed, of another stage."""
    other = scene.ground.run("rl", scene.ranks, "done")
    source = checkpoint.existing(next(other.glob("rl-*")))[-1]
    shutil.copytree(source, checkpoint.place(scene.folder, 11))
    scene.struck()
    return scene.go_on()


class Ran:
    """Unpickled, it writes a file: a stranger's code has run."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, bytes]]:
        return _written, (str(self.mark), b"a stranger's code ran here")


def _written(path: str, data: bytes) -> None:
    Path(path).write_bytes(data)


def _strangers(scene: Scene) -> Ended:
    """Pickles in the place of the optimizer's state in every checkpoint, with hashes that fit: the stranger wrote both."""
    mark = scene.run.parent / "code-ran"
    for folder in checkpoint.existing(scene.folder):
        scenes.rewrite(folder / "optimizer.pt", pickle.dumps(Ran(mark)))
        record = json.loads((folder / checkpoint.NAME).read_text(encoding="utf-8"))
        record["files"]["optimizer.pt"] = file_digest(folder / "optimizer.pt")
        scenes.rewrite(folder / checkpoint.NAME, json.dumps(record).encode())
    ended = scene.go_on()
    if mark.exists():
        scene.harm = "a stranger's pickle was opened, and its code ran"
    return ended


def _halfway(scene: Scene) -> None:
    scene.put_back("halfway")


def _fault(name: str, number: str, says: str, do: Callable[[Scene], Ended], code: int = 0) -> Fault:
    return Fault(
        name=name,
        number=number,
        says=says,
        do=do,
        codes=(code,),
        start="halfway",
        mend=_halfway if code else None,
    )


FAULTS = (
    *(
        _fault(
            f"{way}_{Path(file).name.partition('.')[0]}",
            number,
            f"{file} of the newest checkpoint {told}",
            _newest(file, damage),
        ).quickly((way, file) in QUICK)
        for way, (number, damage, told) in DAMAGE.items()
        for file in FILES
    ),
    _fault("all_checkpoints_bad", "F6", "one bit flipped in every checkpoint", _all, 74).quickly(),
    _fault("checkpoints_emptied", "F6", "the folder of checkpoints deleted", _emptied),
    _fault("future_checkpoint", "F28", "the oldest checkpoint dated 2030", _from_the_future),
    _fault("foreign_checkpoint", "F22", "a later checkpoint of another stage laid beside", _of_another_stage),
    _fault(
        "strangers_pickle",
        "F32",
        "pickled code in every optimizer.pt, hashes made to fit",
        _strangers,
        77,
    ).quickly(),
)
