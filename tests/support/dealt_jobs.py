"""A small card that is prepared and curated by the real stages, and what they leave, for tests of who does the jobs."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import tiny
from format_files import put_csv
from PIL import Image

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


def write_card(root: Path) -> Path:
    """The data of pmc_vqa below `root`/data: three rows a figure, some rows twice, the last one's figure missing."""
    folder = root / "data" / "pmc_vqa"
    (folder / "figures").mkdir(parents=True)
    lines = [HEAD]
    for n in range(ROWS):
        name, draw = f"PMC{n // 3}_f1.jpg", np.random.default_rng(n // 3)
        if n % 3 == 0:
            rough = Image.fromarray(draw.integers(0, 256, (7, 7), dtype=np.uint8))
            size = (64 + n % 40, 48)
            rough.resize(size, Image.Resampling.BICUBIC).convert("RGB").save(folder / "figures" / name)
        asked = f"What is shown in figure {n - n % 5}?"
        name = "gone.jpg" if n == ROWS - 1 else name
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
