"""A small card that is prepared and curated by the real stages, and what they leave, for tests of who does the jobs."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tiny
from format_files import put_csv
from PIL import Image

from lingshu_train.executors.jobs import Share
from lingshu_train.naming import file_digest
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.stage import Stage

ROWS = 700
HEAD = ["Figure_path", "Question", "Answer", "Choice A", "Choice B", "Choice C", "Choice D"]
STEPS: list[dict[str, Any]] = [
    {"name": "picture_size", "params": {"least_side": 28, "most_aspect": 1.9}},
    {"name": "exact_duplicates", "params": {"pictures": "pixels"}},
    {"name": "near_pictures"},
    {"name": "near_text"},
    {"name": "picture_quality"},
    {"name": "contradictions"},
    {"name": "identifiers"},
    {"name": "decontamination", "params": {"splits": ["held_out"]}},
]


@dataclass
class Forked:
    """An executor of tests: a process a task, in an order that chance says. A `share` of them is killed `within` these
    seconds of its way."""

    chance: random.Random
    within: float = 0.05
    share: float = 0.5
    killed: int = 0
    started: int = 0

    def run(self, share: Share, tasks: int, cluster: Cluster, logs: Path) -> Iterator[None]:
        for rank in self.chance.sample(range(tasks), tasks):
            after = self.chance.random() * self.within if self.chance.random() < self.share else 0.0
            child = os.fork()
            if not child:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)  # Which ends the process on the spot.
                signal.setitimer(signal.ITIMER_REAL, after)
                share(None, rank, tasks)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            self.started += 1
            self.killed += os.WIFSIGNALED(status)
            yield


def write_card(root: Path, *, rows: int = ROWS) -> Path:
    """The data of pmc_vqa below `root`/data: three rows a figure, some rows twice, the last one's figure missing."""
    folder = root / "data" / "pmc_vqa"
    (folder / "figures").mkdir(parents=True)
    lines = [HEAD]
    for n in range(rows):
        name, draw = f"PMC{n // 3}_f1.jpg", np.random.default_rng(n // 3)
        if n % 3 == 0:
            rough = Image.fromarray(draw.integers(0, 256, (7, 7), dtype=np.uint8))
            size = (64 + n % 40, 48)
            rough.resize(size, Image.Resampling.BICUBIC).convert("RGB").save(folder / "figures" / name)
        asked = f"What is shown in figure {n - n % 5}?"
        name = "gone.jpg" if n == rows - 1 else name
        lines.append([name, asked, "BC"[n % 11 == 0], "a bone", "a lung", "a heart", "a liver"])
    put_csv(folder / "train.csv", lines)
    put_csv(folder / "train_2.csv", lines)
    return root


def run(root: Path, into: Path, **cluster: Any) -> dict[str, str]:
    """Prepare and curate; sha256 of every output by its name."""
    data = _stage(root, into, "data", {"kind": "prepare", "cards": ["pmc_vqa"]}, {}, cluster)
    tiny.run_here(data)
    config = {"kind": "curate", "corpus": "data", "steps": STEPS, "most_withdrawn": 1.0}
    clean = _stage(root, into, "clean", config, {"data": data.path}, cluster)
    tiny.run_here(clean)
    return outputs(into)


def _stage(
    root: Path,
    into: Path,
    name: str,
    config: dict[str, Any],
    parents: dict[str, Path],
    cluster: dict[str, Any],
) -> Stage:
    made = tiny.make_stage(into, name, config, parents=parents)
    wanted = Cluster.model_validate({"name": "test", "device": "cpu", "threads": 1, **cluster})
    return made.model_copy(update={"data_root": str(root / "data"), "cluster": wanted})


def outputs(folder: Path) -> dict[str, str]:
    """sha256 of every file; of an index what it says, since its bytes are SQLite's. Nothing else is left."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "stage.json"):
        name = str(path.relative_to(folder))
        if path.suffix == ".sqlite":
            with sqlite3.connect(path) as base:
                rows = repr(base.execute("select * from images order by digest").fetchall())
                found[name] = hashlib.sha256(rows.encode()).hexdigest()
        else:
            found[name] = file_digest(path)
    return found
