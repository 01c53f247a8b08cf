"""What people change between two starts, and where they put the run meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from lingshu_train.drill.command import Ended
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.ground import Start
from lingshu_train.drill.scene import Scene


def _harmless(*words: str) -> Callable[[Scene], Ended]:
    """Settings that change no bit: the stage goes on where it was."""

    def do(scene: Scene) -> Ended:
        scene.struck()
        ended = scene.go_on(*words)
        if ended.code == 0 and scene.resumed_at() == 0:
            scene.harm = "the stage began again, from step 0"
        return ended

    return do


def _another(*words: str) -> Callable[[Scene], Ended]:
    """Settings that change the result: another stage is trained, and the one that was begun stays as it was."""

    def do(scene: Scene) -> Ended:
        scene.weighed = False
        begun = scene.folder
        before = _state(begun)
        ended = scene.go_on(*words)
        if ended.code == 0 and scene.folder == begun:
            scene.harm = "the checkpoints of other settings were gone on with"
        elif _state(begun) != before:
            scene.harm = "the stage that had been begun was changed"
        return ended

    return do


def _state(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
    }


def _again(scene: Scene) -> Ended:
    before = _state(scene.folder)
    ended = scene.go_on()
    if _state(scene.folder) != before:
        scene.harm = "a finished stage was written into"
    return ended


def _moved(scene: Scene) -> Ended:
    """Under another name, with the place where it was gone; moved back for the command again."""
    elsewhere = scene.run.parent / "moved"
    os.rename(scene.run, elsewhere)
    scene.run.mkdir()
    ended = scene.finish(scene.command(scene.words(run=elsewhere)))
    shutil.rmtree(scene.run)
    os.rename(elsewhere, scene.run)
    return ended


def _copied(scene: Scene) -> Ended:
    """A copy is gone on with; the original is not touched."""
    scene.weighed = False
    copy = scene.run.parent / "copy"
    shutil.copytree(scene.run, copy)
    before = _state(scene.folder)
    ended = scene.finish(scene.command(scene.words(run=copy)))
    if _state(scene.folder) != before:
        scene.harm = "the original was written into"
    return ended


def _other_recipe(scene: Scene) -> Ended:
    """Another recipe into the same folder."""
    before = _state(scene.run)
    ended = scene.finish(scene.command(scene.words("name=another")))
    if _state(scene.run) != before:
        scene.harm = "the run of another recipe was written into"
    return ended


def _below_a_file(scene: Scene) -> Ended:
    place = scene.run.parent / "file"
    place.write_text("a file\n", encoding="utf-8")
    return scene.finish(scene.command(scene.words(run=place / "run")))


def _into_its_data(scene: Scene) -> Ended:
    return scene.finish(scene.command(scene.words(run=scene.ground.folder / "data")))


def _fault(
    name: str,
    number: str,
    says: str,
    do: Callable[[Scene], Ended],
    code: int = 0,
    *,
    start: Start = "halfway",
) -> Fault:
    return Fault(
        name=name,
        number=number,
        says=says,
        do=do,
        codes=(code,),
        start=start,
    )


FAULTS = (
    _fault("keep_changed", "F23", "keep: 1 for a resume", _harmless("stages.sft.keep=1")).quickly(),
    _fault("save_every_changed", "F23", "save_every: 4 for a resume", _harmless("stages.sft.save_every=4")),
    _fault(
        "workers_changed", "F23", "loader_workers: 1 for a resume", _harmless("stages.sft.loader_workers=1")
    ),
    _fault("title_changed", "F23", "another title for a resume", _harmless("title=another")),
    _fault(
        "rate_changed",
        "F23",
        "another learning rate for a resume",
        _another("stages.sft.learning_rate.merger=0.001"),
    ).quickly(),
    _fault("steps_changed", "F23", "other steps for a resume", _another("stages.sft.steps=10")),
    _fault("seed_changed", "F23", "another seed for a resume", _another("seed=1")),
    _fault(
        "ranks_changed",
        "F25",
        "two ranks for the resume of one",
        _another("cluster.processes=2", "stages.sft.per_device_batch=2"),
    ),
    _fault("run_again", "F27", "a finished run, once more", _again, start="done"),
    _fault("moved", "F22", "the run moved at half way", _moved).quickly(),
    _fault("copied", "F22", "a copy of the run gone on with", _copied),
    _fault("other_recipe", "F22", "another recipe into the run's folder", _other_recipe, 73),
    _fault("output_below_a_file", "F29", "an output below a file", _below_a_file, 73),
    _fault("output_in_data", "F29", "the data as output", _into_its_data, 64),
)
