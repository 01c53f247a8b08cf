"""Those faults of the scoreboard that a plain script can meet, under the same names."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.drill import scene as scenes
from lingshu_train.drill.command import Ended
from lingshu_train.drill.faults.checkpoints import FUTURE, Ran
from lingshu_train.drill.stock import script, spoils
from lingshu_train.drill.stock.scene import Kind, Scene, counted
from lingshu_train.running.warm import Spoil

SUPERVISED: tuple[Kind, ...] = ("trainer", "sft")
EVERY: tuple[Kind, ...] = ("trainer", "sft", "grpo")
HALFWAY = 6
"""Steps after which a run is interrupted: one checkpoint is whole, and the next is not begun."""
LATER = 9
"""The same with two checkpoints."""
RATE = "learning_rate=0.0005"


@dataclass(frozen=True, slots=True, kw_only=True)
class StockFault:
    """`name` as in the scoreboard of ours. `refused`: whether an end other than 0 is right for the command that is struck."""

    name: str
    number: str
    says: str
    do: Callable[[Scene], Ended]
    kinds: tuple[Kind, ...] = ("trainer",)
    refused: bool = False
    mend: Callable[[Scene], object] | None = None


def _killed(scene: Scene) -> Ended:
    return scene.interrupted(scene.draw.randrange(1, scene.steps))


def _killed_while_saving(scene: Scene) -> Ended:
    process = scene.start()
    last = f"checkpoint-{2 * script.SAVE_EVERY}"
    scene.when(process, lambda: any((scene.out / last).glob("*.safetensors")))
    return scene.kill(process)


def _newest(file: str, damage: Callable[[Scene, Path], None]) -> Callable[[Scene], Ended]:
    def do(scene: Scene) -> Ended:
        scene.interrupted(LATER)
        damage(scene, scene.newest() / file)
        return scene.go_on()

    return do


def _flip(scene: Scene, path: Path) -> None:
    """One bit of the numbers, as the head of a file would tell."""
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 1 << scene.draw.randrange(8)
    scenes.rewrite(path, bytes(data))


def _cut(_: Scene, path: Path) -> None:
    scenes.cut(path)


def _remove(_: Scene, path: Path) -> None:
    path.unlink()


def _from_the_future(scene: Scene) -> Ended:
    scene.words = ("save_total_limit=1",)
    scene.interrupted(HALFWAY)
    for path in (scene.newest(), *scene.newest().rglob("*")):
        os.utime(path, (FUTURE, FUTURE))
    ended = scene.go_on()
    if scene.newest().name == f"checkpoint-{script.SAVE_EVERY}":
        scene.harm = "the newest checkpoint was deleted, and the oldest kept"
    return ended


def _strangers(scene: Scene) -> Ended:
    scene.interrupted(HALFWAY)
    mark = scene.folder / "code-ran"
    for name in ("optimizer.pt", "training_args.bin"):
        scenes.rewrite(scene.newest() / name, pickle.dumps(Ran(mark)))
    ended = scene.go_on()
    if mark.exists():
        scene.harm = "a stranger's pickle was opened, and its code ran"
    return ended


def _emptied(scene: Scene) -> None:
    """Start again from nothing, which is all that is left."""
    shutil.rmtree(scene.out)


def _term(scene: Scene) -> Ended:
    process = scene.start(spoil=counted)
    scene.when(process, lambda: scene.steps_done() >= HALFWAY)
    scene.struck()
    os.kill(process.pid, signal.SIGTERM)
    return process.wait(60)


def _second_run(scene: Scene) -> Ended:
    first = scene.start(spoil=counted)
    scene.when(first, lambda: scene.steps_done() >= 2)
    second = scene.go_on()
    first.wait(60)
    if second.code == 0:
        scene.harm = "two runs wrote into one folder, and both ended with 0"
    return second


def _rate(scene: Scene) -> Ended:
    """Another learning rate for the rest. What is right is to refuse, or what a run with that rate gives."""
    scene.interrupted(HALFWAY)
    scene.words = (RATE,)
    ended = scene.go_on()
    if ended.code == 0 and scene.result() == scene.bench.undisturbed(scene.kind):
        scene.harm = "exit code 0, and the new learning rate was passed over without a word"
    elif ended.code == 0 and scene.result() != scene.bench.undisturbed(scene.kind, RATE):
        scene.harm = "exit code 0 with weights that neither rate gives"
    return ended


def _rows(scene: Scene) -> Ended:
    scene.interrupted(HALFWAY)
    path = scene.folder / "rows.json"
    path.write_text(path.read_text(encoding="utf-8").replace("w10 ", "w11 "), encoding="utf-8")
    return scene.go_on()


def _base(scene: Scene) -> Ended:
    path = scene.folder / "base" / "model.safetensors"
    _flip(scene, path)
    return scene.go_on()


def _again(scene: Scene) -> Ended:
    scene.go_on()
    return scene.go_on()


def _limited(scene: Scene) -> Ended:
    return scene.start(preexec="ulimit -f 50").wait(150)


def _spoilt(spoil: Spoil) -> Callable[[Scene], Ended]:
    return lambda scene: scene.go_on(spoil=spoil)


def _of(name: str, number: str, says: str, file: str, damage: Callable[[Scene, Path], None]) -> StockFault:
    return StockFault(name=name, number=number, says=says, do=_newest(file, damage), kinds=SUPERVISED)


FAULTS = (
    StockFault(
        name="kill", number="F1", says="SIGKILL at a random step", do=_killed, kinds=EVERY, refused=True
    ),
    StockFault(
        name="kill_while_saving",
        number="F2",
        says="SIGKILL while a checkpoint is written",
        do=_killed_while_saving,
        kinds=EVERY,
        refused=True,
    ),
    _of(
        "cut_model", "F3", "model.safetensors of the newest checkpoint cut in half", "model.safetensors", _cut
    ),
    _of("cut_optimizer", "F3", "optimizer.pt cut in half", "optimizer.pt", _cut),
    _of("cut_trainer_state", "F3", "trainer_state.json cut in half", "trainer_state.json", _cut),
    _of("flip_model", "F4", "one bit of model.safetensors", "model.safetensors", _flip),
    _of("flip_optimizer", "F4", "one bit of optimizer.pt", "optimizer.pt", _flip),
    _of("remove_model", "F5", "model.safetensors removed", "model.safetensors", _remove),
    _of("remove_optimizer", "F5", "optimizer.pt removed", "optimizer.pt", _remove),
    _of("remove_scheduler", "F5", "scheduler.pt removed", "scheduler.pt", _remove),
    _of("remove_rng_state", "F5", "rng_state.pth removed", "rng_state.pth", _remove),
    StockFault(
        name="future_checkpoint",
        number="F28",
        says="the oldest checkpoint dated 2030, one is kept",
        do=_from_the_future,
    ),
    StockFault(
        name="strangers_pickle",
        number="F32",
        says="pickled code in a checkpoint",
        do=_strangers,
        refused=True,
        mend=_emptied,
    ),
    StockFault(name="term", number="F8", says="SIGTERM in a step", do=_term, kinds=EVERY, refused=True),
    StockFault(
        name="second_run", number="F21", says="the same command while it runs", do=_second_run, refused=True
    ),
    StockFault(
        name="rate_changed",
        number="F23",
        says="another learning rate for a resume",
        do=_rate,
        kinds=SUPERVISED,
        refused=True,
    ),
    StockFault(
        name="answer_changed_midway",
        number="F24",
        says="the data changed before a resume",
        do=_rows,
        kinds=SUPERVISED,
        refused=True,
    ),
    StockFault(name="parent_flipped", number="F4", says="one bit of the base model", do=_base, refused=True),
    StockFault(name="run_again", number="F27", says="a finished run, once more", do=_again),
    StockFault(name="file_limit", number="F7", says="no file above 50 kB", do=_limited, refused=True),
    StockFault(
        name="loss_once",
        number="F16",
        says="one loss is NaN",
        do=_spoilt(spoils.loss),
        kinds=SUPERVISED,
        refused=True,
    ),
    StockFault(
        name="reward_nan",
        number="F16",
        says="every reward is NaN",
        do=_spoilt(spoils.gives(float("nan"))),
        kinds=("grpo",),
        refused=True,
    ),
    StockFault(
        name="reward_absurd",
        number="F16",
        says="every reward is 1e39",
        do=_spoilt(spoils.gives(1e39)),
        kinds=("grpo",),
        refused=True,
    ),
    StockFault(
        name="reward_nothing",
        number="F18",
        says="a reward that returns None",
        do=_spoilt(spoils.gives(None)),
        kinds=("grpo",),
        refused=True,
    ),
    StockFault(
        name="reward_raises",
        number="F18",
        says="a reward that raises",
        do=_spoilt(spoils.raises),
        kinds=("grpo",),
        refused=True,
    ),
    StockFault(
        name="reward_hangs",
        number="F18",
        says="a reward that never returns",
        do=_spoilt(spoils.hangs),
        kinds=("grpo",),
        refused=True,
    ),
)
