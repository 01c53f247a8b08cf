"""Generated rows end to end, publisher's files to a curated corpus: rows a second, memory, and the sha256 of every output.

    nice python benchmarks/curation_scale.py --rows 100000 --rows 400000 [--executor processes --tasks 8] [--beside CHECKOUT] [--out FILE]

Of 20 rows 19 are texts of about 50 words and one is a caption of one of 200 pictures; of 50 one is a copy of an earlier one, and of 50
another a copy with one word changed. Preparing and curating are the real stages, each in a process of its own with two workers;
memory is the most that these processes have together in Pss_Anon, which leaves out mapped files. Core seconds count all
processes, their start included, which is told apart; wall time says more of what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = Path(os.environ.get("LINGSHU_MEASURED", HERE.parent))
"""The checkout whose package is measured."""
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(HERE)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import circumstances  # noqa: E402
import psutil  # noqa: E402

RESULT = HERE / "results" / "curation_scale.json"
PICTURES, WORDS, SHOWING, COPIED = 200, 50, 20, 50
CARD = """---
pretty_name: Generated {name}
license: mit
language: [en]
task_categories: [text-generation]
lingshu:
  source: {{kind: hub, name: made/{name}}}
  access: open
  licence: {{id: MIT, redistribute: true, derive_weights: true, third_party_api: true, commercial: true}}
  language: [en]
  format: {format}
  fields: {fields}
---

# Generated
"""
FIELDS = {
    "texts": ("text_instruction", "{files: {train: train.jsonl}}"),
    "captions": (
        "caption_pairs",
        "{files: {train: train.jsonl}, images: pictures, image: image, caption: text}",
    ),
}


def make(folder: Path, rows: int) -> None:
    """Both cards and their data."""
    from curating import scene

    draw = random.Random(0)
    words = [f"{one}{two}{three}" for one in "bdfglmprst" for two in ("a", "e", "io") for three in "lnrstx"]
    (folder / "cards").mkdir(parents=True)
    for name, (format, fields) in FIELDS.items():
        text = CARD.format(name=name, format=format, fields=fields)
        (folder / "cards" / f"{name}.md").write_text(text, encoding="utf-8")
        (folder / "data" / name).mkdir(parents=True)
    (folder / "data" / "captions" / "pictures").mkdir()
    for n in range(PICTURES):
        scene(n, side=96).save(folder / "data" / "captions" / "pictures" / f"{n}.png")
    files = {name: (folder / "data" / name / "train.jsonl").open("w", encoding="utf-8") for name in FIELDS}
    earlier: dict[str, str] = {}
    for n in range(rows):
        name = "captions" if n % SHOWING == 0 else "texts"
        text = " ".join(draw.choices(words, k=WORDS))
        if n % COPIED == 1 and name in earlier:
            text = earlier[name]
        elif n % COPIED == 2 and name in earlier:
            text = earlier[name].replace(" ", " seen ", 1)
        else:
            earlier[name] = text
        row = {"image": f"{n // SHOWING % PICTURES}.png", "text": text} if name == "captions" else {}
        files[name].write(json.dumps(row or {"instruction": "Report.", "output": text}) + "\n")
    for file in files.values():
        file.close()


def stage(folder: Path, kind: str, executor: str, tasks: int) -> dict[str, Any]:
    """One stage in this process and its workers."""
    import tiny
    import yaml
    from dealt_jobs import outputs

    from lingshu_train import environment
    from lingshu_train.runs.cluster import Cluster

    steps = yaml.safe_load((HERE.parent / "recipes" / "curate" / "recommended.yaml").read_text())["steps"]
    configs: dict[str, dict[str, Any]] = {
        "prepare": {"kind": "prepare", "cards": list(FIELDS)},
        "curate": {"kind": "curate", "corpus": "prepare", "steps": steps},
    }
    parents = {"prepare": folder / "prepare"} if kind == "curate" else {}
    cluster = Cluster.model_validate(
        {"name": "b", "device": "cpu", "threads": 1, "workers": 2, "executor": executor, "tasks": tasks}
    )
    with environment.cards_in(folder / "cards"), _watched() as memory:
        made = tiny.make_stage(folder, kind, configs[kind], parents=parents)
        made = made.model_copy(update={"data_root": str(folder / "data"), "cluster": cluster})
        began, start = time.perf_counter(), _spent()
        facts = tiny.run_here(made)
        wall = time.perf_counter() - began
    return {
        "wall_s": round(wall),
        "core_s": round(_spent(), 1),
        "of_that_start_core_s": round(start, 1),
        "most_anonymous_memory_mib": memory["most"] // 2**20,
        "rows": facts["samples"],
        "funnel": facts.get("funnel"),
        "sha256": {name: found for name, found in outputs(folder / kind).items() if name[0] != "."},
    }


def _spent() -> float:
    """Core seconds of this process and of all that it has waited for."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


@contextmanager
def _watched() -> Iterator[dict[str, int]]:
    """The most memory of this process and all below it, looked at twice a second."""
    found, over = {"most": 0}, threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            here = psutil.Process()
            found["most"] = max(found["most"], sum(map(_anonymous, [here, *here.children(recursive=True)])))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _anonymous(process: psutil.Process) -> int:
    """Bytes; what processes share is divided among them."""
    try:
        told = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except OSError:
        return 0  # It has ended.
    return int(told.partition("Pss_Anon:")[2].split()[0]) * 1024 if "Pss_Anon:" in told else 0


def beside(folder: Path, checkout: Path, executor: str, tasks: int) -> dict[str, Any]:
    """Both stages of the package of another checkout, in a folder of its own with the same data."""
    folder.mkdir(exist_ok=True)
    for name in ("cards", "data"):
        if not (folder / name).exists():
            (folder / name).symlink_to(folder.parent / name)
    commit = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    each = {kind: _apart(folder, kind, executor, tasks, root=checkout) for kind in ("prepare", "curate")}
    return {"commit": commit, **each}


def _apart(folder: Path, kind: str, executor: str, tasks: int, *, root: Path = ROOT) -> dict[str, Any]:
    command = [sys.executable, __file__, "--stage", str(folder), kind, executor, str(tasks)]
    environment = {**os.environ, "LINGSHU_MEASURED": str(root), "PYTHONPATH": str(root)}
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def made(folder: Path, rows: int) -> None:
    """The data, once: in one piece or again from its beginning."""
    if not (folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        make(folder, rows)
        (folder / "made").touch()


def kept(folder: Path, kind: str, executor: str, tasks: int) -> dict[str, Any]:
    """A stage's figures, measured or, where an earlier start has finished it, read. Of one that was killed and went on seconds are
    those of its last start alone."""
    told, begun = folder / f"{kind}.json", (folder / kind).exists()
    if not told.exists():
        found = _apart(folder, kind, executor, tasks)
        told.write_text(json.dumps({**found, "went_on_after_a_kill": begun}))
    read: dict[str, Any] = json.loads(told.read_text())
    return read


def rated(rows: int, each: dict[str, Any]) -> None:
    for kind in ("prepare", "curate"):
        told = each[kind]
        told["rows_a_core_second"] = round(rows / told["core_s"])
        told["rows_a_core_second_without_start"] = round(
            rows / (told["core_s"] - told["of_that_start_core_s"])
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, action="append", required="--stage" not in sys.argv)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument(
        "--work", type=Path, help="keep data and stages here: the same command goes on after a kill"
    )
    parser.add_argument("--beside", type=Path, help="a checkout of another commit, measured after each size")
    parser.add_argument("--stage", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.stage:
        folder, kind, executor, tasks = chosen.stage
        print(json.dumps(stage(Path(folder), kind, executor, int(tasks))))
        return
    found: dict[str, Any] = {
        "what": "generated rows, prepared and curated with recipes/curate/recommended.yaml",
        **circumstances.told("numpy", "pyarrow", "pillow"),
        "executor": chosen.executor,
    }
    for rows in chosen.rows:
        with tempfile.TemporaryDirectory() as temporary:
            folder = chosen.work / f"{rows}-{chosen.executor}" if chosen.work else Path(temporary)
            made(folder, rows)
            each = {kind: kept(folder, kind, chosen.executor, chosen.tasks) for kind in ("prepare", "curate")}
            other = (
                beside(folder / "beside", chosen.beside.resolve(), chosen.executor, chosen.tasks)
                if chosen.beside
                else {}
            )
        rated(rows, each)
        found[f"{rows:,} rows"] = dict(each)
        if other:
            rated(rows, other)
            same = all(other[kind].pop("sha256") == told["sha256"] for kind, told in each.items())
            found[f"{rows:,} rows"]["beside"] = {**other, "every sha256 equal": same}
        # After each size, so that what was measured stays where the next is stopped.
        chosen.out.write_text(json.dumps(found, indent=1) + "\n")
        print(
            json.dumps(
                {kind: {k: v for k, v in told.items() if k != "sha256"} for kind, told in each.items()}
            )
        )


if __name__ == "__main__":
    main()
