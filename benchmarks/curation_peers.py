"""Rows a second and core, and peak memory, of the same steps here and in other libraries, turn by turn on the same rows.

    python benchmarks/curation_peers.py [--rows 20000] [--times 3] [--data-juicer PYTHON] [--nemo-curator PYTHON]

Rows are reports of about 50 words: of 50 one is a copy, and of 50 one a copy with one word more. Each library does each step in a
process of its own (`curating_peers/contender.py`), reading included, imports not; of so many times the median counts. PYTHON is an
interpreter of an environment with py-data-juicer, or nemo-curator; without it that library is left out. All are set alike: runs of
three words, 20 bands of 6, copies from 0.8 alike; datatrove compares bands alone. Here each hit is checked (exact similarity, numbers,
sides, negations), a decision is written with its evidence, and the corpus is read as it is stored. Pictures are compared by equal
pHash, which datatrove has no step for; NeMo-Curator compares texts on a GPU alone. Memory is that of the one process, imports included.
Also how many pictures a second the index of a corpus finds by their digest. The result is benchmarks/results/curation_peers.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [
    str(HERE.parent),
    str(HERE.parent / "tests" / "support"),
    str(HERE),
    str(HERE / "curating_peers"),
]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import circumstances  # noqa: E402
from contender import FEWEST, MOST, peak, spent  # noqa: E402

RESULT = HERE / "results" / "curation_peers.json"
STEPS: dict[str, dict[str, Any]] = {
    "exact": {"name": "exact_duplicates"},
    "near": {"name": "near_text"},
    "length": {"name": "caption_length", "params": {"least": FEWEST, "most": MOST}},
    # As the paper has it and Data-Juicer does it: equal pHashes, and no further check.
    "pictures": {
        "name": "near_pictures",
        "params": {"phash": 0, "dhash": None, "thumbnail": None, "worst": None, "same_text": False},
    },
}
INDEXED, ASKED = 200_000, 50_000
PICTURES, SIDE = 2_000, 128
HAVE = {
    "datatrove": ("exact", "near", "length"),
    "data_juicer": tuple(STEPS),
    "nemo_curator": ("length",),
}
"""What a library has a step for that runs without a GPU."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--data-juicer", default="")
    parser.add_argument("--nemo-curator", default="")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--ours", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.ours:
        print(json.dumps(ours(chosen.ours[0], Path(chosen.ours[1]))))
        return
    pythons = {
        "datatrove": sys.executable,
        "data_juicer": chosen.data_juicer,
        "nemo_curator": chosen.nemo_curator,
    }
    found: dict[str, dict[str, Any]] = {}
    result: dict[str, Any] = {
        **circumstances.told("numpy", "pyarrow", "datatrove"),
        "data_juicer": version(chosen.data_juicer, "py-data-juicer"),
        "nemo_curator": version(chosen.nemo_curator, "nemo-curator"),
        "rows": chosen.rows,
        "times": chosen.times,
        "steps": found,
    }
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        result["index"] = lookups(root)
        print(json.dumps(result["index"]), flush=True)
        write(root, generated(chosen.rows))
        for step in STEPS:
            found[step] = beside(root, step, pythons, chosen.times, chosen.rows)
            print(json.dumps({step: found[step]}), flush=True)
            # After each, so that what was measured stays where the next is stopped.
            chosen.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def beside(root: Path, step: str, pythons: dict[str, str], times: int, rows: int) -> dict[str, Any]:
    """A step in every library that has it, turn by turn."""
    runs: dict[str, list[dict[str, Any]]] = {}
    file = root / ("pictures.jsonl" if step == "pictures" else "rows.jsonl")
    for _ in range(times):
        runs.setdefault("lingshu", []).append(told([sys.executable, __file__, "--ours", step, str(root)]))
        for library, python in pythons.items():
            if python and step in HAVE[library]:
                with tempfile.TemporaryDirectory() as folder:
                    script = str(HERE / "curating_peers" / "contender.py")
                    command = [python, script, library, step, str(file), folder]
                    runs.setdefault(library, []).append(told(command))
    return compared(runs, PICTURES if step == "pictures" else rows)


def version(python: str, package: str) -> str:
    """Of a package in another environment."""
    if not python:
        return "left out"
    asked = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([python, "-c", asked], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def generated(rows: int) -> list[str]:
    draw, made = random.Random(0), list[str]()
    words = [f"{one}{two}{three}" for one in "bdfglmprst" for two in ("a", "e", "io") for three in "lnrstx"]
    for n in range(rows):
        text = " ".join(draw.choices(words, k=50))
        if n % 50 == 1:
            text = made[-1]
        elif n % 50 == 2:
            text = made[-1].replace(" ", " seen ", 1)
        made.append(text)
    return made


def write(root: Path, texts: list[str]) -> None:
    """The rows as a file of lines and as a corpus; and rows with a picture each, of 50 of which one shows an earlier one again that
    was saved as a JPEG."""
    import tiny
    from curating import again, caption, scene

    (root / "rows.jsonl").write_text("".join(json.dumps({"text": one}) + "\n" for one in texts))
    tiny.write_corpus(root / "corpus", [(caption(f"r{n}", text)) for n, text in enumerate(texts)])
    pictures = [scene(n, SIDE) if n % 50 != 1 else again(scene(n - 1, SIDE), 85) for n in range(PICTURES)]
    tiny.write_corpus(
        root / "pictured", [caption(f"p{n}", texts[n % len(texts)], one) for n, one in enumerate(pictures)]
    )
    (root / "pictures").mkdir()
    with (root / "pictures.jsonl").open("w", encoding="utf-8") as stream:
        for n, one in enumerate(pictures):
            path = root / "pictures" / f"{n}.png"
            one.save(path)
            stream.write(json.dumps({"text": texts[n % len(texts)], "images": [str(path)]}) + "\n")


def ours(step: str, root: Path) -> dict[str, Any]:
    """One step in this process: measuring, joining, deciding."""
    from lingshu_train.curate import _deciding, _measuring, _rows, _steps, _work

    with tempfile.TemporaryDirectory() as place:
        began = spent()
        sources = _rows.sources(root / ("pictured" if step == "pictures" else "corpus"))
        choice = _steps.StepChoice.model_validate(STEPS[step])
        work = _work.begin(Path(place), sources, (choice,), where="steps")
        _measuring.measure(work)
        decisions, _ = _deciding.decide(work)
        seconds = spent() - began
    return {"core_s": round(seconds, 2), "peak_mib": peak(), "left": sources[-1].rows - len(decisions)}


def told(command: list[str]) -> dict[str, Any]:
    """What a run says in its last line. The first of a library is not apart: files are read from memory for all alike."""
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def compared(runs: dict[str, list[dict[str, Any]]], rows: int) -> dict[str, Any]:
    middle = {library: median(one["core_s"] for one in each) for library, each in runs.items()}
    return {
        library: {
            "core_s": [one["core_s"] for one in each],
            "rows_a_core_second": round(rows / max(middle[library], 0.01)),
            "peak_mib": max(one["peak_mib"] for one in each),
            "left": each[0]["left"],
            "times_as_fast_as_lingshu": round(middle["lingshu"] / max(middle[library], 0.01), 2),
        }
        for library, each in runs.items()
    }


def lookups(root: Path) -> dict[str, Any]:
    """Digests a second that a corpus's index on disk finds, and says that it has not."""
    from lingshu_train.data.corpus.journal import Index, Journal
    from lingshu_train.data.corpus.records import Location

    folder = root / "index"
    folder.mkdir()
    journal = Journal(folder)
    names = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(INDEXED)]
    for n, name in enumerate(names):
        journal.add(Location(digest=name, shard=0, offset=512 * n, size=400, width=96, height=96))
    journal.commit(0, {"tally": {}, "jobs": 1, "quarantine": 0})
    journal.finish()
    journal.close()
    index, draw = Index(folder), random.Random(1)
    found = {}
    for what, asked in {
        "there": draw.choices(names, k=ASKED),
        "not there": [hashlib.sha256(f"-{n}".encode()).hexdigest() for n in range(ASKED)],
    }.items():
        before = time.process_time()
        hits = sum(index.find(name) is not None for name in asked)
        assert hits == (ASKED if what == "there" else 0)
        found[f"{what}, lookups a core second"] = round(ASKED / (time.process_time() - before))
    return {"pictures": INDEXED, **found}


if __name__ == "__main__":
    main()
