"""Measures `lingshu trace` on a made-up run of 5 million rows without pictures: seconds and memory of the whole command.

    python benchmarks/trace.py [--rows ROWS] [--folder FOLDER] [--out FILE]

The run has three stages over one corpus of 70 cards: supervised over all rows in two ingredients for two epochs, supervised in
packs for two epochs, and GRPO in windows of 4 steps over a selection. Lengths are drawn as in the paper's mixture; a share of the
rows is too long. Every ledger is whole, so that a trace compares with it as it does with a real one. What is measured is the
command in a process of its own, imports included; each case three times, the median told.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from generated_rows import generated

from lingshu_train import naming
from lingshu_train.data.corpus import records, shards, table
from lingshu_train.data.order.selection import FILE
from lingshu_train.planning import recipe
from lingshu_train.runs import ledger
from lingshu_train.runs import run as runs
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.files import write_json
from lingshu_train.runs.stage import Stage
from lingshu_train.stages import _kinds
from lingshu_train.tracing import kinds

SHARD, CARDS, PATIENT = 100_000, 70, 8
"""Rows of a shard, data cards, rows of a patient."""
MOST_TOKENS, REPEATS = 6_000, 3
CALL = """import sys
from lingshu_train import cli
code = cli.main(sys.argv[1:])
sys.stderr.write(open("/proc/self/status").read().partition("VmHWM:")[2].split("\\n")[0])
sys.exit(code)"""
"""The command, which then tells its highest resident memory in kB, mapped files with it."""
PARTS = ["language_model"]
TRAINING: dict[str, Any] = {
    "train": PARTS,
    "learning_rate": {"language_model": 1e-5},
    "per_device_batch": 4,
    "save_every": 4_000,
    "base": "",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--folder", type=Path, help="where the run is made; a temporary folder without")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="trace-"))
    if not (folder / "run.json").is_file():
        made(folder, given.rows)
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip(),
        "hardware": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "load_before": os.getloadavg()[0],
        },
        "versions": {name: importlib.metadata.version(name) for name in ("numpy", "pyarrow")}
        | {"python": platform.python_version()},
        "rows": given.rows,
        "stages": {name: len(ledger.steps(folder / name)) for name in ("plain", "packed", "windows")},
        "cases": cases(folder, given.rows),
    }
    if not given.folder:
        shutil.rmtree(folder)
    text = json.dumps(found, indent=1) + "\n"
    given.out.write_text(text) if given.out else print(text, end="")


def cases(folder: Path, rows: int) -> dict[str, Any]:
    middle = rows // 2
    found = {
        "one sample": measured(folder, "--sample", f"row/{middle}"),
        "one patient (8 rows)": measured(folder, "--patient", f"patient/{middle // PATIENT}"),
        f"one card (1/{CARDS} of the rows)": measured(folder, "--card", "card-7"),
    }
    packs = folder / "packed" / kinds.PACKS
    aside = packs.rename(folder / "packs-aside")
    found["one sample, packs planned again"] = measured(folder, "--sample", f"row/{middle}")
    aside.rename(packs)
    return found


def measured(folder: Path, *words: str) -> dict[str, Any]:
    """Median seconds of the whole command, and its highest memory in MiB."""
    seconds, cpu = [], []
    for _ in range(REPEATS):
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", CALL, "trace", str(folder), *words, "--json"],
            check=True,
            capture_output=True,
            text=True,
        )
        seconds.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    told = json.loads(done.stdout)
    return {
        "seconds": round(statistics.median(seconds), 2),
        "cpu_seconds": round(statistics.median(cpu), 2),
        "all": [round(each, 2) for each in seconds],
        "peak_mib": int(done.stderr.split()[-2]) // 1024,
        "times_trained_on": {stage["stage"]: stage["times"] for stage in told["stages"]},
    }


def made(folder: Path, rows: int) -> None:
    """The run: a corpus, the lengths beside it, three stages with their ledgers."""
    runs.write(folder, recipe="made-up", stages=[], plan="plan")
    corpus = folder / "data" / "corpus"
    corpus.mkdir(parents=True)
    for shard in range(rows // SHARD):
        write_shard(corpus / shards.rows_name(shard), shard * SHARD)
    summary = {
        "samples": rows, "images": 0, "image_bytes": 0, "splits": {"train": rows}, "tasks": {"vqa": {"train": rows}},
        "question_types": {"free": rows}, "modalities": {"": rows}, "cards": {f"card-{n}": rows // CARDS for n in range(CARDS)},
        "answers": {}, "licences": {}, "refused": {}, "shards": [SHARD] * (rows // SHARD), "max_pixels": 1_003_520, "grid": 28,
        "fingerprint": "made-up",
    }  # fmt: skip
    write_json(corpus / "corpus.json", summary)
    drawn = generated(rows, images="capped")
    lengths = np.zeros((rows, 5), np.int32)
    lengths[:, table.PROMPT] = lengths[:, table.WHOLE] = drawn.tokens
    lengths[:, table.PATCHES] = drawn.patches
    np.save(corpus / "lengths-000000000000.npy", lengths)
    data = stage(
        folder,
        "data",
        {"kind": "prepare", "cards": ["package_pydicom"], "image_size": 56, "questions": {}},
        rows=rows,
    )
    few = {
        "kind": "sft",
        "data": [{"corpus": "data"}, {"corpus": "data", "cards": ["card-3"], "repeat": 2.5}],
    }
    stages = [
        stage(folder, "plain", {**TRAINING, **few, "accumulation": 32, "max_length": MOST_TOKENS, "most_too_long": 0.2, "epochs": 2.0}, rows=rows),
        stage(folder, "packed", {**TRAINING, "kind": "sft", "data": [{"corpus": "data"}], "packing": True, "accumulation": 16, "max_length": 8_192, "max_patches": 20_480, "most_too_long": 0.2, "epochs": 2.0}, rows=rows),
        stage(folder, "windows", {**TRAINING, "kind": "grpo", "data": [{"corpus": "data"}], "selection": {"size": rows // 50}, "rewards": {"mode": "sum", "terms": [{"name": "accuracy", "weight": 1.0}]}, "group_size": 8, "rollout_prompts": 512, "update_prompts": 128, "max_completion": 64, "epochs": 2.0}, rows=rows),
    ]  # fmt: skip
    runs.write(folder, recipe="made-up", stages=[data, *stages], plan="plan")


def write_shard(path: Path, first: int) -> None:
    """Rows of one shard, without pictures: cards lie one after another in stretches, patients have eight rows."""
    numbers = range(first, first + SHARD)
    columns: dict[str, Any] = dict.fromkeys(records.SCHEMA.names, [""] * SHARD)
    columns |= {
        "id": [f"row/{n}" for n in numbers],
        "card": [f"card-{n // 1_000 % CARDS}" for n in numbers],
        "group": [f"patient/{n // PATIENT}" for n in numbers],
        "split": ["train"] * SHARD,
        "task": ["vqa"] * SHARD,
        "question": ["What is shown in this picture, and where?"] * SHARD,
        "question_type": ["free"] * SHARD,
        "tol": [None] * SHARD,
        **{name: [[]] * SHARD for name in ("options", "aliases", "turns", "images")},
    }
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, records.SCHEMA) as writer:
        for batch in pa.table(columns, schema=records.SCHEMA).to_batches(max_chunksize=shards.BATCH):
            writer.write_batch(batch)


def stage(folder: Path, name: str, config: dict[str, Any], *, rows: int) -> Stage:
    """A stage's record and, where it trains, what it leaves of its order: packs, a selection, a ledger."""
    read = _kinds.read(config, where=f"stages.{name}")
    found = Stage(
        run="made-up", name=name, kind=config["kind"], content=f"{name}-content", folder=str(folder / name),
        parents={} if name == "data" else {"data": str(folder / "data")}, about=read.about(), config=config,
        model=recipe.load("lingshu_7b").model.model_dump(mode="json"), cluster=Cluster(name="made-up", device="cpu"), world_size=1, seed=0,
        data_root="data", version="made-up",
    )  # fmt: skip
    found.write()
    if name == "data":
        return found
    if name == "windows":
        chosen = np.sort(np.random.default_rng(0).choice(rows, rows // 50, replace=False))
        np.savez(folder / name / FILE, rows=chosen, opened=np.zeros(len(chosen), bool))
    order = kinds.order_of(
        found, read, lengths="" if name == "windows" else "lengths-000000000000.npy", steps=0
    )
    order.steps = steps = taken(order, name, folder / name)
    with (folder / name / ledger.NAME).open("w") as out:
        for step in range(1, steps + 1):
            out.write(json.dumps({"loss": 1.0, "samples": digest(order, step), "step": step}) + "\n")
    return found


def taken(order: Any, name: str, place: Path) -> int:
    """Steps of two epochs; plans of packs are stored as training stores them."""
    if name != "packed":
        return 2 * order.mixture.size // 128 // 4 * 4
    (place / kinds.PACKS).mkdir()
    for epoch in range(2):
        rows, offsets = order._plan(epoch)
        order._plans.append((rows, offsets))
        order._first.append(order._first[-1] + len(offsets) - 1)
        np.save(place / kinds.PACKS / f"order-{epoch}.npy", rows.astype(np.uint32))
        np.save(place / kinds.PACKS / f"offsets-{epoch}.npy", offsets)
    return order._first[-1] // order.per_step


def digest(order: Any, step: int) -> str:
    """What training writes of a step: ids are the rows' numbers, so that none is looked up."""
    ids = []
    for number in order.step(step):
        number = int(number) if order._selected is None else int(order._selected[number])
        part = int(np.searchsorted(order._starts, number, side="right")) - 1
        here, place = order.parts[part], number - order._starts[part]
        ids.append(f"row/{place if here.fit is None else int(here.fit[place])}")
    return naming.digest(ids)[:12]


if __name__ == "__main__":
    main()
