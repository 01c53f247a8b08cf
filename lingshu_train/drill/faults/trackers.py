"""Trackers beside a run that freeze, are killed, or have no network, no login, no room: a line each, and not a bit changes."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from lingshu_train.drill import tree
from lingshu_train.drill.command import Ended, Process
from lingshu_train.drill.fault import KILLED, Fault
from lingshu_train.drill.faults import disks
from lingshu_train.drill.ground import Start
from lingshu_train.drill.scene import Scene, Skip
from lingshu_train.drill.scene import cut as cut_file
from lingshu_train.runs import tracked

FOLLOWER = b"lingshu_train.trackers._follow"
KEEPS = "trackers"
NOWHERE = "http://127.0.0.1:9"
"""An address that refuses every connection."""
KEY = "0123456789abcdef" * 2 + "01234567"
UNHURT = "training is not affected"
LONG_S, SHORT_S = 60, 2
ROOM = 64 << 10


def _chosen(scene: Scene, name: str, *, wait_s: float = LONG_S, params: str = "") -> None:
    """Every command of the scene has this tracker. Skip where it is not installed."""
    if importlib.util.find_spec(name) is None:
        raise Skip(f"the tracker's package {name} is not installed")
    scene.settings = (f"trackers=[{{name: {name}, wait_s: {wait_s}, params: {{{params}}}}}]",)


def _started(scene: Scene, **variables: str) -> Process:
    """In a home of the scene's own, where no login of this machine's user is."""
    home = scene.run.parent / "home"
    home.mkdir(exist_ok=True)
    plain = {"HOME": str(home), "WANDB_API_KEY": "", "NETRC": str(home / "netrc")}
    return scene.command(scene.words(), variables={**plain, **variables})


def _told(scene: Scene, name: str, why: str) -> None:
    said = [line for line in scene.log.splitlines() if f"tracker {name}: " in line]
    if len(said) != 1 or why not in said[0] or UNHURT not in said[0]:
        scene.harm = f"not told once, with why: {said}"


def _follower(process: Process) -> list[int]:
    return [pid for pid in tree.below(process.pid) if FOLLOWER in _words(pid)]


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _struck(name: str, number: signal.Signals, why: str, *, wait_s: float) -> Callable[[Scene], Ended]:
    """A signal to the tracker's process while the stage trains."""

    def do(scene: Scene) -> Ended:
        _chosen(scene, name, wait_s=wait_s)
        process = _started(scene)
        scene.when(process, lambda: bool(_follower(process)))
        scene.when_step(process, 1)
        scene.struck()
        for pid in _follower(process):
            os.kill(pid, number)
        ended = scene.finish(process)
        _told(scene, name, why)
        return ended

    return do


def _online(why: str, *, wait_s: float = LONG_S, **variables: str) -> Callable[[Scene], Ended]:
    def do(scene: Scene) -> Ended:
        _chosen(scene, "wandb", wait_s=wait_s, params="mode: online")
        ended = scene.finish(_started(scene, **variables))
        _told(scene, "wandb", why)
        for path in scene.run.rglob("*"):
            if path.is_file() and KEY.encode() in path.read_bytes():
                scene.harm = f"the key stands in {path.relative_to(scene.run)}"
        return ended

    return do


def _no_folder(scene: Scene) -> Ended:
    _chosen(scene, "tensorboard")
    (scene.run / KEEPS).write_text("a file where a folder is needed\n", encoding="utf-8")
    ended = scene.finish(_started(scene))
    _told(scene, "tensorboard", "trackers")
    return ended


def _full(name: str, why: str) -> Callable[[Scene], Ended]:
    """What the tracker writes to has no byte left; the run's own disk has."""

    def do(scene: Scene) -> Ended:
        _chosen(scene, name, wait_s=LONG_S / 2)
        place = scene.run / KEEPS
        place.mkdir()
        disks.mount(place, ROOM)
        try:
            disks.fill(place, leave=0)
            ended = scene.finish(_started(scene))
        finally:
            disks.unmount(place)
            shutil.rmtree(place)
        _told(scene, name, why)
        return ended

    return do


def _note_cut(scene: Scene) -> Ended:
    """What says how far the tracker was is half a file, before a resume."""
    _chosen(scene, "tensorboard")
    first = _started(scene)
    scene.when(first, lambda: (scene.folder / tracked.FOLDER / "tensorboard.json").exists())
    scene.kill(first)
    cut_file(scene.folder / tracked.FOLDER / "tensorboard.json")
    ended = scene.finish(_started(scene))
    _told(scene, "tensorboard", "tensorboard.json")
    return ended


def _all_killed(scene: Scene) -> Ended:
    """SIGKILL to the run and its tracker; the same command leaves the tracker with every step."""
    _chosen(scene, "tensorboard")
    process = _started(scene)
    scene.when_step(process, 4)
    ended = scene.kill(process)

    def again() -> Ended:
        found = scene.finish(_started(scene))
        state = tracked.read(scene.folder, "tensorboard")
        if state is None or state.fault or state.step != 12:
            scene.harm = f"the tracker does not have the whole stage: {state}"
        return found

    scene.again = again
    return ended


def _launcher_killed(scene: Scene) -> Ended:
    """SIGKILL to the launcher alone; the same command at once. Of the first tracker's process nothing is left."""
    _chosen(scene, "tensorboard")
    process = _started(scene)
    scene.when_step(process, 4)
    scene.struck()
    os.kill(process.pid, signal.SIGKILL)
    process.popen.wait()
    return scene.finish(_started(scene))


def _fault(
    name: str, says: str, do: Callable[[Scene], Ended], code: int = 0, *, start: Start = "fresh"
) -> Fault:
    return Fault(name=f"tracker_{name}", number="F20", says=says, do=do, codes=(code,), start=start)


_ENDED, _SPACE = "so it was ended", "No space left on device"
_NETWORK: Mapping[str, str] = {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": NOWHERE}
FAULTS = (
    _fault(
        "frozen",
        "SIGSTOP to the tracker's process",
        _struck("tensorboard", signal.SIGSTOP, _ENDED, wait_s=SHORT_S),
    ).quickly(),
    _fault(
        "killed",
        "SIGKILL to the tracker's process",
        _struck("tensorboard", signal.SIGKILL, "killed by signal 9", wait_s=LONG_S),
    ),
    _fault("no_folder", "a file where the tracker's folder has to be", _no_folder),
    *(
        _fault(f"disk_full_{name}", f"no byte left for {name}", _full(name, why))
        for name, why in (("tensorboard", _SPACE), ("trackio", "disk"), ("wandb", _SPACE))
    ),
    _fault(
        "no_network",
        "wandb online, and its server refuses every connection",
        _online(_ENDED, wait_s=2 * SHORT_S, **_NETWORK),
    ),
    _fault("no_login", "wandb online without a login", _online("No API key configured")),
    _fault("note_cut", "the note of how far the tracker was, cut in half", _note_cut),
    _fault("all_killed", "SIGKILL to the run and its tracker", _all_killed, KILLED),
    _fault("launcher_killed", "SIGKILL to the launcher alone; the same command at once", _launcher_killed),
)
