"""The same steps by Data-Juicer, in one run: exact copies and near copies of text by MinHash, 20 bands of 6, runs of three words.

    python benchmarks/curation_beside.py --data-juicer PYTHON [--nemo-curator PYTHON] [--out FILE]

PYTHON is the interpreter of an environment of its own that has the package. 3,000 generated texts of 50 words: of 50 one is a copy and
another a copy with one word changed. Each engine in turn, several times, reading left out; core seconds of the process, median.
Ours checks each candidate by its exact similarity and by numbers, sides and negations, and leaves a decision a row; the other drops.
An engine that cannot do the step here is recorded with the line it ends with.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "support"), str(HERE)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import circumstances  # noqa: E402

ROWS, TURNS = 3000, 3
RESULT = HERE / "results" / "curation_beside.json"
JUICER = """
import json, os, sys, time
os.environ["HF_DATASETS_OFFLINE"] = "1"
from datasets import Dataset
from data_juicer.ops.deduplicator.document_deduplicator import DocumentDeduplicator
from data_juicer.ops.deduplicator.document_minhash_deduplicator import DocumentMinhashDeduplicator
rows = Dataset.from_list([json.loads(line) for line in open(sys.argv[1])])
steps = {
    "exact_duplicates": DocumentDeduplicator(),
    "near_text": DocumentMinhashDeduplicator(
        tokenization="space", window_size=3, lowercase=True, jaccard_threshold=0.8, num_permutations=120,
        num_bands=20, num_rows_per_band=6),
}
found = {}
for name, step in steps.items():
    began = time.process_time()
    left, _ = step.process(rows.map(step.compute_hash))
    found[name] = {"core_s": time.process_time() - began, "left": len(left)}
print(json.dumps(found))
"""
NEMO = "import nemo_curator.stages.deduplication.exact.workflow"


def texts() -> list[str]:
    draw = random.Random(0)
    words = [f"{one}{two}{three}" for one in "bdfglmprst" for two in ("a", "e", "io") for three in "lnrstx"]
    made: list[str] = []
    for n in range(ROWS):
        text = " ".join(draw.choices(words, k=50))
        if n % 50 == 1:
            text = made[-1]
        elif n % 50 == 2:
            text = made[-1].replace(" ", " seen ", 1)
        made.append(text)
    return made


def ours(made: list[str], folder: Path) -> dict[str, dict[str, float]]:
    import tiny
    from curating import caption

    from lingshu_train.curate import _deciding, _measuring, _rows, _steps, _work

    tiny.write_corpus(folder / "corpus", [caption(f"r{n}", text) for n, text in enumerate(made)])
    sources, found = _rows.sources(folder / "corpus"), {}
    for name in ("exact_duplicates", "near_text"):
        began = time.process_time()
        work = _work.begin(folder, sources, (_steps.StepChoice(name=name),), where="steps")
        _measuring.measure(work)
        decisions, _ = _deciding.decide(work)
        found[name] = {"core_s": time.process_time() - began, "left": len(made) - len(decisions)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-juicer", required=True)
    parser.add_argument("--nemo-curator", default="")
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    made, turns = texts(), []
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "rows.jsonl"
        file.write_text("\n".join(json.dumps({"text": text}) for text in made))
        about = circumstances.told("numpy", "pyarrow")
        for turn in range(TURNS):
            command = [chosen.data_juicer, "-c", JUICER, str(file)]
            theirs = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            turns.append(
                {
                    "ours": ours(made, Path(temporary) / str(turn)),
                    "Data-Juicer": json.loads(theirs.splitlines()[-1]),
                }
            )
    found: dict[str, Any] = {
        "what": f"{ROWS:,} texts of 50 words",
        **about,
        "turns": turns,
        "rows_a_core_second": {},
    }
    for engine in ("ours", "Data-Juicer"):
        found["rows_a_core_second"][engine] = {
            name: round(ROWS / statistics.median(turn[engine][name]["core_s"] for turn in turns))
            for name in ("exact_duplicates", "near_text")
        }
    if chosen.nemo_curator:
        tried = subprocess.run([chosen.nemo_curator, "-c", NEMO], capture_output=True, text=True, check=False)
        found["NeMo Curator"] = tried.stderr.strip().splitlines()[-1] if tried.returncode else "imports"
    chosen.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found["rows_a_core_second"]))


if __name__ == "__main__":
    main()
