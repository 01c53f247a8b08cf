"""Measures a prepared corpus of 1 M and 5 M rows as training reads it: start, first batch, resume at 80 %, memory.

    python benchmarks/corpus.py [--out FILE] [--small ROWS] [--large ROWS]

The corpus is generated: one shard of 50,000 rows with pictures, linked as often as it takes, and a table of lengths with
the spread of a real mixture (generated_rows.py), so that only the reading is measured. Everything else is what a training
stage runs: the filter on the split, the mixture, the packing plan, the data set, the collator. Each measurement is a
process of its own, several times; times start after the imports. RssAnon leaves out mapped files.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import circumstances
import numpy as np
from generated_rows import generated
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

import tiny

SHARD, PICTURES, TOKENS, BATCH = 50_000, 200, 8192, 8
RESUME_AT = 0.8
REPEATS = 3
MODEL = {**tiny.MODEL, "max_pixels": 1_003_520}


def make(folder: Path, rows: int) -> None:
    """The corpus, its processor, and the table of lengths."""
    from lingshu_train.data.corpus import corpus, shards
    from lingshu_train.data.corpus.writer import Kept, Writer
    from lingshu_train.record import Sample
    from lingshu_train.runs.files import write_json

    place = folder / "data" / "corpus"
    writer = Writer(place, shard_rows=SHARD)
    for n in range(SHARD):
        picture = tiny.png(Image.new("RGB", (56, 56), (n % PICTURES, 0, 0)))
        sample = Sample(
            id=f"row-{n}",
            card="generated",
            split="train",
            task="open_vqa",
            question="What is shown in this picture?",
            question_type="short",
            answer=f"object {n % PICTURES}",
        )
        writer.add([Kept(sample=sample, pictures=(picture,))])
    writer.finish(licences={}, budget=_settings().budget)
    summary = json.loads((place / "corpus.json").read_text())
    count = rows // SHARD
    for shard in range(1, count):
        os.link(place / shards.rows_name(0), place / shards.rows_name(shard))
    summary |= {"samples": rows, "shards": [SHARD] * count}
    write_json(place / "corpus.json", summary)
    assert len(corpus.load(place)) == rows
    words = tiny.FAMILY.build_tokenizer(["What is shown in this picture? object 0123456789"], vocabulary=400)
    tiny.FAMILY.build_processor(words, _settings().budget).save_pretrained(folder / "base" / "model")
    _lengths(folder, rows)


def _lengths(folder: Path, rows: int) -> None:
    from lingshu_train.data.corpus import lengths
    from lingshu_train.data.corpus import table as columns
    from lingshu_train.runs.arrays import save_array

    found = generated(rows, images="capped")
    table = np.zeros((rows, 5), np.int32)
    table[:, [columns.PROMPT, columns.WHOLE]] = np.minimum(found.tokens, TOKENS)[:, None]
    table[:, columns.PATCHES] = found.patches
    wanted = _settings()
    text = lengths._processor(str(folder / "base" / "model"), wanted)
    place = folder / "data" / "corpus"
    key = lengths.made_from(place, text, wanted)
    save_array(place / f"lengths-{lengths._key(text, wanted)[:12]}.npy", table, key=key)


def _settings() -> Any:
    from lingshu_train.model.settings import Settings

    return Settings.model_validate_json(json.dumps(MODEL))


def read(folder: Path, out: Path, at: float, packing: bool) -> dict[str, Any]:
    """What a stage does before its first step, and the first batch after it, at a place of the epoch."""
    from lingshu_train.data.order.mix import Mix
    from lingshu_train.runs.cluster import Cluster
    from lingshu_train.training.feed import Rows
    from lingshu_train.training.limit import Limit
    from lingshu_train.training.packed import Packed

    stage: Any = SimpleNamespace(
        name="sft", seed=0, path=out, cluster=Cluster(name="b"), parent=lambda name: folder / name
    )
    marks = [time.perf_counter()]
    rows = Rows(
        stage,
        [Mix(corpus="data")],
        source=str(folder / "base" / "model"),
        wanted=_settings(),
        limit=Limit(tokens=TOKENS, completion=True, most=0.0),
    )
    items = Packed(rows, out, tokens=TOKENS, patches=None, per_step=BATCH) if packing else rows
    data = items.dataset(system="", whole=True)
    marks.append(time.perf_counter())
    size = items.items(1)
    start = int(at * size) // BATCH * BATCH
    chosen = [data[items.row(n)] for n in range(start, start + (1 if packing else BATCH))]
    marks.append(time.perf_counter())
    status = Path("/proc/self/status").read_text()
    memory = {
        name: int(status.partition(f"{name}:")[2].split()[0]) // 1024
        for name in ("RssAnon", "VmRSS", "VmHWM")
    }
    return {
        "samples": len(rows),
        "items": size,
        "fill": getattr(items, "fill", [None])[0],
        "samples_read": sum(len(item["row"]) if packing else 1 for item in chosen),
        "open_seconds": marks[1] - marks[0],
        "first_batch_seconds": marks[2] - marks[1],
        "total_seconds": marks[2] - marks[0],
        **{f"{name}_mib": value for name, value in memory.items()},
    }


def measure(folder: Path, *, packing: bool) -> dict[str, Any]:
    """The start of a fresh stage, then of one that resumes at RESUME_AT, REPEATS times each."""
    starts, resumed = [], []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as out:
            starts.append(_apart(folder, Path(out), 0.0, packing))
            resumed.append(_apart(folder, Path(out), RESUME_AT, packing))
    return {"start": _median(starts), f"resume_at_{RESUME_AT:.0%}": _median(resumed)}


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    def middle(values: list[Any]) -> Any:
        return (
            round(statistics.median(values), 4) if isinstance(values[0], float) else values[len(values) // 2]
        )

    return {key: middle([run[key] for run in runs]) for key in runs[0]}


def _apart(folder: Path, out: Path, at: float, packing: bool) -> dict[str, Any]:
    command = [sys.executable, __file__, "--read", str(folder), str(out), str(at), str(int(packing))]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "corpus.json")
    parser.add_argument("--small", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=5_000_000)
    parser.add_argument("--read", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.read:
        folder, out, at, packing = chosen.read
        print(json.dumps(read(Path(folder), Path(out), float(at), packing == "1")))
        return
    found: dict[str, Any] = {
        "what": "a generated corpus as a training stage reads it: medians of processes of their own",
        **circumstances.told("torch", "transformers", "trl", "datasets", "pyarrow", "numpy"),
        "repeats": REPEATS,
    }
    for rows in (chosen.small, chosen.large):
        with tempfile.TemporaryDirectory() as temporary:
            make(Path(temporary), rows)
            for packing in (False, True):
                name = f"{rows:,} rows, {'packed' if packing else 'one by one'}"
                found[name] = measure(Path(temporary), packing=packing)
                print(name, json.dumps(found[name]), flush=True)
    chosen.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
