"""How an end of a plain script is judged: more leniently than one of ours, since it has no exit codes and no lines to promise.

handled: after the same command again the final weights of an undisturbed run, bit for bit. silent: exit code 0 with other
weights, or with what must not happen. crash: an end that the same command cannot go on from, or that a good older checkpoint
should have spared. hang: no end within the limit.
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Iterator

from lingshu_train.drill import tree
from lingshu_train.drill.command import Ended
from lingshu_train.drill.record import Kind, Row
from lingshu_train.drill.stock import faults
from lingshu_train.drill.stock.faults import StockFault
from lingshu_train.drill.stock.scene import CALLED, Bench, Scene
from lingshu_train.drill.stock.scene import Kind as Script
from lingshu_train.errors import LingshuError


def rows(bench: Bench, *, names: Collection[str], seed: int) -> Iterator[Row]:
    """The faults of these names that have a counterpart."""
    bench.build()
    for fault in faults.FAULTS:
        for kind in fault.kinds:
            if fault.name in names:
                yield _judged(bench, fault, kind, random.Random(f"{seed}/{fault.name}/{kind}"))


def _judged(bench: Bench, fault: StockFault, kind: Script, draw: random.Random) -> Row:
    expected = bench.undisturbed(kind)
    scene = bench.scene(fault.name, kind, draw)
    started = time.monotonic()
    ended: Ended | None = None
    again: Ended | None = None
    try:
        ended = fault.do(scene)
        seconds = time.monotonic() - (scene.struck_at or started)
        kind_, why = _first(scene, fault, ended, expected)
        if kind_ == "handled":
            if fault.mend is not None:
                fault.mend(scene)
            again = scene.go_on()
            kind_, why = _second(scene, again, expected)
    except LingshuError as reason:
        kind_, why, seconds = "crash", str(reason), 0.0
    finally:
        tree.left(within_s=0)
    return Row(
        fault=fault.name,
        number=fault.number,
        says=fault.says,
        stage=CALLED[kind],
        ranks=1,
        time=0,
        kind=kind_,
        code=ended.code if ended else None,
        again=again.code if again else None,
        line=ended.line.replace(str(scene.folder), "RUN") if ended and ended.code and ended.code > 0 else "",
        why=why.replace(str(scene.folder), "RUN"),
        seconds=round(seconds, 2),
        lost=None,
        equal=kind_ == "handled",
    )


def _first(scene: Scene, fault: StockFault, ended: Ended, expected: dict[str, str]) -> tuple[Kind, str]:
    if ended.code is None:
        return "hang", "no end within the limit"
    if scene.harm:
        return "silent", scene.harm
    if ended.code == 0 and scene.result() != expected:
        return "silent", f"exit code 0 with other weights, at step {scene.last_step()}"
    if ended.code != 0 and not fault.refused:
        return "crash", ended.line
    return "handled", ""


def _second(scene: Scene, again: Ended, expected: dict[str, str]) -> tuple[Kind, str]:
    if again.code is None:
        return "hang", "the same command again: no end within the limit"
    if again.code != 0:
        return "crash", f"the same command again: {again.line}"
    if scene.result() != expected:
        return (
            "silent",
            f"the same command again: exit code 0 with other weights, at step {scene.last_step()}",
        )
    return "handled", ""
