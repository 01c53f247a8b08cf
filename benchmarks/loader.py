"""Rows to collated batches: this project's loader against TRL's, ms-swift's and LLaMA-Factory's, on the same rows.

    python benchmarks/loader.py FOLDER --python trl_torchvision=V1/bin/python ms_swift=V2/bin/python \
        llama_factory=V3/bin/python [--rounds 5] [--out FILE]

FOLDER gets the rows on the first call (benchmarks/loader/rows.py). `lingshu` and `trl` run in this project's environment;
each other system needs one of its own, and is left out where none is named. torchvision needs the CUDA build of torch (the
default on PyPI), which imports without a GPU. With uv, V1 to V3 are:

    uv venv -p 3.11 V1; uv pip install -p V1 torch==2.13.0 torchvision==0.28.0 trl==1.16.0 transformers==5.23.0 \
        datasets==5.2.0 accelerate==1.15.0 pillow==13.0.0 numpy==2.4.6 tokenizers==0.23.3
    uv venv -p 3.11 V2; uv pip install -p V2 torch==2.13.0 torchvision==0.28.0 ms-swift==4.6.0 qwen-vl-utils==0.0.14
    uv venv -p 3.11 V3; uv pip install -p V3 torch==2.13.0 torchvision==0.28.0 llamafactory==0.9.5

Neither ms-swift nor LLaMA-Factory runs without torchvision: qwen-vl-utils imports it, and AutoProcessor, which LLaMA-Factory loads
the processor with, raises ImportError.

Ours runs with the variables that `lingshu run` sets for a stage, among them the allocator's. Each system runs in a process of its own, and is asked in turn, in another order every round, for the same 64 rows: batches of 8,
one process, one thread, no loader workers, stored order. Figures: rows per second of wall clock, and per second of the process's
own time, which other work on the machine disturbs less. Before the rounds 96 rows are compared, one by one, with TRL's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import circumstances
import numpy as np

from lingshu_train.running import launch

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "loader.json"
PROGRAMS = {
    "lingshu": "lingshu.py",
    "trl": "trl_sft.py",
    "trl_torchvision": "trl_sft.py",
    "ms_swift": "ms_swift.py",
    "llama_factory": "llama_factory.py",
}
OWN = ("lingshu", "trl")
REFERENCE = "trl"
FIGURES = ("per_second", "per_core_second")


class Runner:
    """One system's program, kept running in its environment over the rows in `folder`, and asked over pipes."""

    def __init__(self, name: str, *, python: str, folder: Path) -> None:
        self.name = name
        self.results = folder / "results"
        receive, send = os.pipe()
        self._replies = os.fdopen(receive, encoding="utf-8")
        self._log = self.results / f"{name}.log"
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [python, str(HERE / "loader" / PROGRAMS[name]), str(folder), str(send)],
                env=_environment(name, folder / "cache"),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[send],
                text=True,
            )
        os.close(send)

    def ask(self, action: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(action + "\n")
        self._process.stdin.flush()
        reply = self._replies.readline()
        if not reply:
            raise SystemExit(f"{self.name}: {action} failed, see {self._log}")
        found: dict[str, Any] = json.loads(reply)
        return found

    def made(self) -> dict[str, Any]:
        """What the system makes before training: made on the first call on a folder, then read."""
        known = self.results / f"{self.name}.prepare.json"
        if not known.is_file():
            known.write_text(json.dumps(self.ask("prepare")), encoding="utf-8")
        found: dict[str, Any] = json.loads(known.read_text(encoding="utf-8"))
        return found

    def stop(self) -> None:
        """End of input ends the program."""
        self._process.communicate()
        self._replies.close()


def _environment(name: str, caches: Path) -> dict[str, str]:
    """One thread, no hub, no GPU, caches below the folder; the project's source only for its own systems."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    own = {"PYTHONPATH": str(HERE.parent)} if name in OWN else {}
    own |= launch.SETTINGS if name == "lingshu" else {}
    limits = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    return kept | own | limits | {"HF_HOME": str(caches / "hf"), "MODELSCOPE_CACHE": str(caches / "swift")}


def compare(runners: list[Runner]) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """TRL's rows; and per system: versions, and how many rows are equal to TRL's in each respect."""
    results = runners[0].results
    found = {runner.name: runner.ask(f"inspect {results / f'{runner.name}.npz'}") for runner in runners}
    theirs = found[REFERENCE]["rows"]
    with np.load(results / f"{REFERENCE}.npz") as pixels:
        reference = dict(pixels)
    compared = {}
    for name, one in found.items():
        assert len(one["rows"]) == len(theirs), f"{name}: {len(one['rows'])} rows, not {len(theirs)}"
        equal = {
            key: sum(a[key] == b[key] for a, b in zip(one["rows"], theirs, strict=True)) for key in theirs[0]
        }
        with np.load(results / f"{name}.npz") as pixels:
            differ = [
                np.abs(pixels[n] - reference[n]) for n in reference if pixels[n].shape == reference[n].shape
            ]
        compared[name] = {
            "versions": one["versions"],
            "rows_equal_to_trl": equal,
            "pixel_difference_to_trl": {
                "rows": len(differ),
                "largest": round(float(max(part.max() for part in differ)), 7),
                "mean": round(float(np.mean([part.mean() for part in differ])), 7),
            },
        }  # fmt: skip
    ours = compared["lingshu"]["rows_equal_to_trl"]
    assert set(ours.values()) == {len(theirs)}, f"lingshu's batches are not TRL's: {ours}"
    return theirs, compared


def rounds(runners: list[Runner], count: int) -> tuple[dict[str, list[dict[str, Any]]], list[float]]:
    """`count` measurements of every system, the order turned by one each round, and the machine's load at each round."""
    found: dict[str, list[dict[str, Any]]] = {runner.name: [] for runner in runners}
    load = []
    for number in range(count):
        load.append(round(os.getloadavg()[0], 1))
        turn = number % len(runners)
        for runner in runners[turn:] + runners[:turn]:
            found[runner.name].append(runner.ask("measure"))
            print(number, runner.name, found[runner.name][-1], flush=True)
    return found, load


def summary(measured: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    medians = {
        name: {figure: statistics.median(one[figure] for one in each) for figure in FIGURES}
        for name, each in measured.items()
    }
    return {
        name: {
            figure: {
                "median": round(medians[name][figure], 2),
                "each": [round(one[figure], 2) for one in each],
                "lingshu_over_this": round(medians["lingshu"][figure] / medians[name][figure], 3),
            }
            for figure in FIGURES
        }
        for name, each in measured.items()
    }


def contents(folder: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What the rows are: files, bytes, and the spread of tokens among those compared."""
    pictures = list((folder / "images").iterdir())
    spread = {
        "text_tokens": [row["tokens"] - row["image_tokens"] for row in rows],
        "label_tokens": [row["label_tokens"] for row in rows],
        "image_tokens": [row["image_tokens"] for row in rows],
    }
    return {
        "compared": len(rows),
        "image_bytes": sum(path.stat().st_size for path in pictures),
        "images": {suffix: sum(path.suffix == suffix for path in pictures) for suffix in (".jpg", ".png")},
    } | {
        name: {"smallest": min(values), "median": statistics.median(values), "largest": max(values)}
        for name, values in spread.items()
    }


def parts(folder: Path) -> dict[str, float]:
    """Milliseconds of one core per row that each part of this project's path takes."""
    program, out = HERE / "loader" / "lingshu_parts.py", folder / "results" / "parts.json"
    environment = _environment("lingshu", folder / "cache")
    subprocess.run([sys.executable, str(program), str(folder), str(out)], env=environment, check=True)
    found: dict[str, float] = json.loads(out.read_text(encoding="utf-8"))
    return found


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", nargs="*", default=[], metavar="SYSTEM=PYTHON")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    pythons = dict.fromkeys(OWN, sys.executable) | dict(word.split("=", 1) for word in options.python)
    if not (folder / "dataset_info.json").is_file():
        subprocess.run([sys.executable, str(HERE / "loader" / "rows.py"), str(folder)], check=True)
    (folder / "results").mkdir(exist_ok=True)
    told, started = circumstances.told(), time.monotonic()
    runners = [Runner(name, python=pythons[name], folder=folder) for name in PROGRAMS if name in pythons]
    made = {runner.name: runner.made() for runner in runners}
    rows, compared = compare(runners)
    measured, load = rounds(runners, options.rounds)
    for runner in runners:
        runner.stop()
    figures = summary(measured)
    result = {
        "what": "rows per second from stored rows to collated batches of 8; one process, one thread, no loader workers",
        **told,
        "hardware": {**told["hardware"], "cores_used": 1, "load_at_each_round": load},
        "rounds": options.rounds,
        "minutes": round((time.monotonic() - started) / 60, 1),
        "rows": contents(folder, rows),
        "lingshu_core_milliseconds_per_row": parts(folder),
        "systems": {
            name: figures[name] | {"made_before_training": made[name]} | compared[name] for name in figures
        },
    }  # fmt: skip
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, one in figures.items():
        print(name, {figure: (one[figure]["median"], one[figure]["lingshu_over_this"]) for figure in FIGURES})


if __name__ == "__main__":
    main(sys.argv[1:])
