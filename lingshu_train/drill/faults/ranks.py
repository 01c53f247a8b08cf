"""One process of several fails alone, or the launcher of them all."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from lingshu_train import dist
from lingshu_train.drill.command import Ended
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.scene import Scene
from lingshu_train.running.warm import Spoil

STEP_TIMEOUT = "+cluster.step_timeout=10"


def _struck(number: signal.Signals, *more: str) -> Callable[[Scene], Ended]:
    """A signal to the last rank in a step."""

    def do(scene: Scene) -> Ended:
        process = scene.start(*more)
        scene.when_step(process, 4)
        ranks = scene.ranks_of(process)
        scene.struck()
        os.kill(ranks[-1], number)
        return scene.finish(process)

    return do


def _spoilt(spoil: Spoil, *more: str) -> Callable[[Scene], Ended]:
    return lambda scene: scene.go_on(*more, spoil=spoil)


def in_step(step: int, act: Callable[[], None], *, rank: int) -> Spoil:
    """Before a training step of one rank, do this."""

    def spoil() -> None:
        from trl import GRPOTrainer, SFTTrainer

        if dist.place().rank != rank:
            return
        for kind in (SFTTrainer, GRPOTrainer):
            whole = kind.training_step

            def training_step(self, *args, _whole=whole, **kwargs):  # type: ignore[no-untyped-def]
                if self.state.global_step + 1 == step:
                    act()
                return _whole(self, *args, **kwargs)

            kind.training_step = training_step

    return spoil


def _raise() -> None:
    raise ValueError("a defect that one rank alone meets")


def _memory() -> None:
    raise MemoryError("no memory on this rank")


def _leave() -> None:
    os._exit(3)


def _orphaned(scene: Scene) -> Ended:
    """SIGKILL to the launcher alone; the same command at once."""
    process = scene.start()
    scene.when_step(process, 4)
    scene.struck()
    os.kill(process.pid, signal.SIGKILL)
    process.popen.wait()
    return scene.go_on()


def _second_run(scene: Scene) -> Ended:
    """The same command once more while the first one trains."""
    first = scene.start()
    scene.when_step(first, 2)
    scene.struck()
    second = scene.go_on()
    ended = scene.finish(first)
    return second if ended.code == 0 else ended


def _fault(
    name: str,
    number: str,
    says: str,
    do: Callable[[Scene], Ended],
    code: int,
    *,
    traceback: bool = False,
) -> Fault:
    return Fault(
        name=name,
        number=number,
        says=says,
        do=do,
        codes=(code,),
        ranks=2,
        traceback=traceback,
    )


FAULTS = (
    # A rank whose peer is gone tells where it was when it noticed, above the one line.
    _fault(
        "rank_killed",
        "F9",
        "SIGKILL to rank 1 alone",
        _struck(signal.SIGKILL),
        75,
        traceback=True,
    ).quickly(),
    _fault("rank_killed", "F9", "SIGKILL to the only rank", _struck(signal.SIGKILL), 75).on(1),
    _fault(
        "rank_frozen",
        "F10",
        "SIGSTOP to rank 1 (step_timeout 10 s)",
        _struck(signal.SIGSTOP, STEP_TIMEOUT),
        75,
    ),
    _fault(
        "rank_raises",
        "F11",
        "an exception on rank 1 alone",
        _spoilt(in_step(5, _raise, rank=1)),
        70,
        traceback=True,
    ),
    _fault(
        "rank_out_of_memory",
        "F37",
        "MemoryError on rank 1 alone",
        _spoilt(in_step(5, _memory, rank=1)),
        70,
        traceback=True,
    ),
    _fault(
        "rank_leaves",
        "F11",
        "rank 1 ends without a word",
        _spoilt(in_step(5, _leave, rank=1)),
        70,
        traceback=True,
    ),
    _fault(
        "launcher_killed",
        "F1",
        "SIGKILL to the launcher alone; the same command at once",
        _orphaned,
        0,
    )
    .on(1)
    .quickly(),
    _fault("launcher_killed", "F1", "SIGKILL to the launcher alone; the same command at once", _orphaned, 0),
    _fault("second_run", "F21", "the same command while it runs", _second_run, 73).on(1),
)
