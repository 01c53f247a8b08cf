"""A push to the hub that is interrupted, refused, or done twice: nothing half is ever seen there, and nothing is sent twice."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from lingshu_train.drill import command, drawn, hub, server
from lingshu_train.drill import ground as grounds
from lingshu_train.drill.command import Ended
from lingshu_train.drill.fault import KILLED, Fault
from lingshu_train.drill.ground import Ground
from lingshu_train.drill.scene import Scene
from lingshu_train.drill.server import Faulty
from lingshu_train.errors import LingshuError

TOKEN = "hf_" + "OfADrill" * 4
REST_S = 3600
"""More than anybody waits at a terminal, so that the command ends and says so."""
BUSY: Faulty = {"after": REST_S, "times": 99}
LARGE, SAVE, COMMIT = "PUT /lfs/", "POST /api/repos/create", "/commit/"


def _exported(ground: Ground) -> Path:
    """An undisturbed run with an export, made once."""

    def make(place: Path) -> None:
        shutil.copytree(ground.run("sft", 1, "done"), place, symlinks=True)
        words = [*ground.words(place, "sft", 1), "pipeline=[data,base,sft,export]"]
        ended = ground.start(words, place).wait(ground.limit_s)
        if ended.code != 0:
            raise LingshuError(f"the export to be pushed ended with {ended.code}: {ended.line}")

    return ground.once("exported", make)


def _begun(scene: Scene) -> None:
    """The run with its export, a card that allows to push it, and a hub that has nothing."""
    shutil.rmtree(scene.run)
    shutil.copytree(_exported(scene.ground), scene.run, symlinks=True)
    scene.weighed = False
    folder = scene.run.parent
    for name in ("hub", "cards"):
        (folder / name).mkdir()
    card = drawn.card(scene.ground.folder / "data", derive=True)
    (folder / "cards" / f"{drawn.CARD}.md").write_text(card, encoding="utf-8")
    scene.again = lambda: _whole(scene)


def _started(scene: Scene, address: str, *, token: str = TOKEN) -> command.Process:
    words = [
        "push",
        str(scene.run),
        "export",
        hub.REPOSITORY,
        "--yes",
        "--cards",
        str(scene.run.parent / "cards"),
    ]
    variables = {
        "HF_ENDPOINT": address,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_TOKEN": token,
        "HF_HOME": str(scene.run.parent / "home"),
    }
    # Of the client's addresses none can be changed any more in what has imported it.
    return scene.command(words, variables=variables, cold=True)


def _pushed(faults: Sequence[Faulty], why: str = "", *, seen: bool = False) -> Callable[[Scene], Ended]:
    """A push to a hub that fails so; `why` stands in its line. `seen`: whether its files may be seen there although it did not
    end well."""

    def do(scene: Scene) -> Ended:
        _begun(scene)
        with server.serving(_hub(scene), faults, module=hub.__name__) as address:
            ended = scene.finish(_started(scene, address))
        _weigh(scene, ended, seen=seen)
        if why not in ended.line:
            scene.harm = f"not told why: {ended.line}"
        if faults and not (_hub(scene) / hub.FAILED).exists():
            raise LingshuError(f"the hub was not asked for what was to fail: {ended.code}, {ended.line}")
        return ended

    return do


def _killed(fault: Faulty, arrived: int) -> Callable[[Scene], Ended]:
    """SIGKILL while the hub holds a request up, when so many large files have arrived."""

    def do(scene: Scene) -> Ended:
        _begun(scene)
        with server.serving(_hub(scene), [{**fault, "stall": True}], module=hub.__name__) as address:
            process = _started(scene, address)
            held = _hub(scene) / hub.STALLED
            scene.when(process, lambda: held.exists() and len(hub.sent(_hub(scene))) >= arrived)
            ended = scene.kill(process)
        if hub.tree(_hub(scene)):
            scene.harm = "a part of the push can be seen"
        return ended

    return do


def _interrupted(scene: Scene) -> Ended:
    """Ctrl-C while it waits for a busy hub."""
    _begun(scene)
    busy = [{"at": COMMIT, "status": 503, "times": 99}]
    with server.serving(_hub(scene), busy, module=hub.__name__) as address:
        process = _started(scene, address)
        scene.when(process, lambda: "trying again in" in scene.log)
        scene.struck()
        process.popen.send_signal(2)
        ended = scene.finish(process)
    _weigh(scene, ended)
    return ended


def _twice(scene: Scene) -> Ended:
    """A push that ended well, once more."""
    ended = _pushed([])(scene)
    if ended.code != 0:
        return ended
    before = hub.tree(_hub(scene)), hub.sent(_hub(scene))
    with server.serving(_hub(scene), [], module=hub.__name__) as address:
        ended = scene.finish(_started(scene, address))
    if before != (hub.tree(_hub(scene)), hub.sent(_hub(scene))):
        scene.harm = "what was there already was sent again"
    return ended


def _no_login(scene: Scene) -> Ended:
    _begun(scene)
    with server.serving(_hub(scene), [], module=hub.__name__) as address:
        ended = scene.finish(_started(scene, address, token=""))
    _weigh(scene, ended)
    if "no Hugging Face token" not in ended.line:
        scene.harm = f"not told why: {ended.line}"
    return ended


def _changed(scene: Scene) -> Ended:
    """One bit of the exported weights: nothing is sent, and the next push is of the export put back."""
    _begun(scene)
    (weights,) = _files(scene, "*.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(bytes([*whole[:-1], whole[-1] ^ 1]))
    with server.serving(_hub(scene), [], module=hub.__name__) as address:
        ended = scene.finish(_started(scene, address))
    _weigh(scene, ended)
    if "changed since it was exported" not in ended.line:
        scene.harm = f"not told why: {ended.line}"
    weights.write_bytes(whole)
    return ended


def _whole(scene: Scene) -> Ended:
    """The same command, with a hub that is well: now everything is there, and no large file has been taken twice."""
    with server.serving(_hub(scene), [], module=hub.__name__) as address:
        ended = scene.finish(_started(scene, address))
    _weigh(scene, ended)
    arrived = hub.sent(_hub(scene))
    if len(set(arrived)) != len(arrived):
        scene.harm = scene.harm or "a large file was sent twice"
    if TOKEN in scene.log:
        scene.harm = "the token was printed"
    return ended


def _weigh(scene: Scene, ended: Ended, *, seen: bool = False) -> None:
    """All that was exported is there where the command ended well, and nothing where it did not."""
    there = {name: digest for name, digest in hub.tree(_hub(scene)).items() if name != ".gitattributes"}
    ours = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _files(scene, "*")
        if path.is_file()
    }
    if ended.code == 0 and (not there or any(ours.get(name) != digest for name, digest in there.items())):
        scene.harm = "ended with 0, and other files are there"
    elif ended.code == 0 and not any(name.endswith(".safetensors") for name in there):
        scene.harm = "ended with 0, and the weights are not there"
    elif ended.code != 0 and there and not seen:
        scene.harm = f"ended with {ended.code}, and a part of the push can be seen"


def _files(scene: Scene, pattern: str) -> list[Path]:
    return sorted((grounds.stage_folder(scene.run, "export") / "export").glob(pattern))


def _hub(scene: Scene) -> Path:
    return scene.run.parent / "hub"


def _fault(name: str, says: str, do: Callable[[Scene], Ended], code: int) -> Fault:
    return Fault(name=f"push_{name}", number="F19", says=says, do=do, codes=(code,), start="done")


_RESTS = "3,600 s of rest"
FAULTS = (
    _fault(
        "cut",
        "the line is cut in the middle of the weights, then well",
        _pushed([{"at": LARGE, "cut": True}]),
        0,
    ).quickly(),
    _fault("passing", "500 to the commit once, then well", _pushed([{"at": COMMIT, "status": 500}]), 0),
    _fault("file_passing", "503 to the weights once, then well", _pushed([{"at": LARGE, "status": 503}]), 0),
    _fault(
        "answer_lost", "the commit is done and its answer lost", _pushed([{"at": COMMIT, "lost": True}]), 0
    ),
    _fault(
        "busy",
        "503 to the commit, and an hour's rest asked for",
        _pushed([{"at": COMMIT, "status": 503, **BUSY}], _RESTS),
        75,
    ),
    _fault(
        "too_many",
        "429, and an hour's rest asked for",
        _pushed([{"at": SAVE, "status": 429, **BUSY}], _RESTS),
        75,
    ),
    _fault("interrupted", "Ctrl-C while it waits for a busy hub", _interrupted, 75),
    _fault("killed_in_file", "SIGKILL in the middle of a file", _killed({"at": LARGE}, 0), KILLED),
    _fault(
        "killed_between",
        "SIGKILL when one of two large files has arrived",
        _killed({"at": LARGE, "skip": 1}, 1),
        KILLED,
    ),
    _fault(
        "killed_at_commit",
        "SIGKILL when all files have arrived and no commit is made",
        _killed({"at": COMMIT}, 2),
        KILLED,
    ),
    _fault("twice", "a push that ended well, once more", _twice, 0),
    _fault(
        "other_bytes",
        "a file arrives with another byte",
        _pushed([{"at": COMMIT, "spoil": True}], "arrived with other bytes", seen=True),
        74,
    ),
    _fault(
        "forbidden",
        "403 to the commit",
        _pushed([{"at": COMMIT, "status": 403, "times": 99}], "may not write there"),
        77,
    ),
    _fault("no_login", "no token", _no_login, 77),
    _fault("changed", "one bit of the export changed before the push", _changed, 74),
)
