"""Chooses faults, does them one after another, and keeps what became of each: drill.json, after every row."""

from __future__ import annotations

import importlib
import os
import platform
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import lingshu_train
from lingshu_train import environment, naming
from lingshu_train.drill import faults, judging, lanes, page, tree
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.ground import Ground
from lingshu_train.drill.record import Drill, Row
from lingshu_train.drill.stock import judging as plain
from lingshu_train.drill.stock.scene import Bench
from lingshu_train.errors import CannotCreate, UsageError
from lingshu_train.report import page as report
from lingshu_train.running import warm
from lingshu_train.runs.files import write_json

NAME = "drill.json"
MARK = ".lingshu-drill"
"""Says that a folder is a drill's, and may be written over by the next one."""
_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
_PACKAGES = ("torch", "transformers", "trl", "accelerate", "deepspeed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """All faults or the quick ones, or those of these names or numbers, and how often. `stock`: plain scripts too.
    `at_once`: so many scenes beside each other."""

    quick: bool = False
    only: tuple[str, ...] = ()
    times: int = 1
    seed: int = 0
    stock: bool = False
    at_once: int = 1


def every() -> list[Fault]:
    """All faults, family by family."""
    return [one for name in naming.components(faults.__name__) for one in family(name)]


def family(name: str) -> tuple[Fault, ...]:
    """The faults of one file."""
    found: tuple[Fault, ...] = importlib.import_module(f"{faults.__name__}.{name}").FAULTS
    return found


def chosen(wanted: Chosen) -> list[Fault]:
    """UsageError (64) names what there is where `only` names something else."""
    known = every()
    for one in wanted.only:
        if not any(_named(fault, one) for fault in known):
            words = sorted(
                {fault.name for fault in known} | {fault.number for fault in known if fault.number},
                key=_order,
            )
            raise UsageError(f"--only {one}: no such fault; there are: {', '.join(words)}")
    return [
        fault
        for fault in known
        if (
            any(_named(fault, one) for one in wanted.only) if wanted.only else fault.quick or not wanted.quick
        )
    ]


def run(folder: Path, wanted: Chosen, *, cold: bool = False, each: Callable[[Row], None]) -> Drill:
    """Drill in a folder that is new, empty or an earlier drill's, and hand over every row as it comes. drill.json, in the order
    of the table of faults, and the page are written after each."""
    picked = chosen(wanted)
    if not Path("/proc/self").is_dir():
        raise UsageError("the drill looks for what a run leaves behind in /proc, which only Linux has")
    _claim(folder)
    load, started = os.getloadavg()[0], time.monotonic()
    # Tiny runs are trained on the CPU, and what has looked for a GPU cannot be forked.
    environment.give("CUDA_VISIBLE_DEVICES", "")
    tree.adopt_orphans()
    warm.load()
    report.compiled()
    ground = Ground(folder.absolute(), cold=cold)
    ground.draw()
    rows: dict[int, Row] = {}
    stock: dict[int, Row] = {}

    def written() -> Drill:
        made = _drill(wanted, load, started, *([kept[one] for one in sorted(kept)] for kept in (rows, stock)))
        write_json(folder / NAME, made.model_dump(mode="json"))
        page.write(folder, made)
        return made

    try:
        for found, kept in ((_ours(ground, picked, wanted), rows), (_stock(folder, picked, wanted), stock)):
            for number, row in found:
                kept[number] = row
                each(row)
                written()
    finally:
        tree.left(within_s=0)
    return written()


def _ours(ground: Ground, picked: Sequence[Fault], wanted: Chosen) -> Iterator[tuple[int, Row]]:
    """Each with its place in the table."""
    every = [(fault, time_) for fault in picked for time_ in range(wanted.times if fault.times else 1)]

    def do(number: int) -> Row:
        fault, time_ = every[number]
        draw = random.Random(f"{wanted.seed}/{fault.name}/{fault.stage}/{fault.ranks}/{time_}")
        return judging.judged(ground, fault, time_=time_, draw=draw)

    yield from lanes.rows(len(every), do, lanes=wanted.at_once)


def _stock(folder: Path, picked: Sequence[Fault], wanted: Chosen) -> Iterator[tuple[int, Row]]:
    """The counterparts of those that were picked."""
    if wanted.stock:
        names = frozenset(fault.name for fault in picked)
        bench = Bench(folder.absolute() / "stock")
        yield from enumerate(plain.rows(bench, names=names, seed=wanted.seed))


def _claim(folder: Path) -> None:
    """CannotCreate (73) for a folder that holds anything but an earlier drill: what lies there is written over."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise CannotCreate(
            f"{folder}: is not empty, and holds no drill; name an empty folder with --out FOLDER"
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


def _drill(wanted: Chosen, load: float, started: float, rows: Sequence[Row], stock: Sequence[Row]) -> Drill:
    return Drill(
        version=lingshu_train.__version__,
        python=sys.version.split()[0],
        packages={name: metadata.version(name) for name in _PACKAGES},
        machine=platform.machine(),
        cores=os.cpu_count() or 1,
        load_before=round(load, 1),
        seed=wanted.seed,
        seconds=round(time.monotonic() - started, 1),
        cpu_seconds=round(sum(sum(resource.getrusage(who)[:2]) for who in _WHO), 1),
        rows=tuple(rows),
        stock=tuple(stock),
    )


def _named(fault: Fault, word: str) -> bool:
    """By number, by name, or by the place of its row: NAME.STAGE, NAME.STAGE.RANKS."""
    place = f"{fault.name}.{fault.stage}"
    return word.casefold() in (fault.number.casefold(), fault.name, place, f"{place}.{fault.ranks}")


def _order(word: str) -> tuple[int, int, str]:
    """Numbers by size, then names."""
    return (0, int(word[1:]), "") if word[:1] == "F" and word[1:].isdecimal() else (1, 0, word)
