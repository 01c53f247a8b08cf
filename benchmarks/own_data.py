"""From a stranger's table to the first training step: the commands that a newcomer types, each timed by the clock on the wall.

    python benchmarks/own_data.py              three times; the result is benchmarks/results/own_data.json
    python benchmarks/own_data.py --rounds 1 --out elsewhere.json

The table: 200 rows of a German spreadsheet (cells parted by `;`, Latin-1, German names of columns, a patient a row), about
pictures that installed packages carry. The commands: `lingshu init`, `lingshu data add`, `lingshu run`, each in a process of its
own, in an empty folder. What is not measured: reading what they print, and installing.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import lingshu_train
from lingshu_train.runs import ledger, manifest

RESULT = Path(__file__).parent / "results" / "own_data.json"
ROWS, PATIENTS = 200, 40
SOURCES = {
    "skimage": ("data/*.png", "data/*.jpg"),
    "mahotas": ("demos/data/*.png", "demos/data/*.jpg", "demos/data/*.jpeg"),
}
SIDES = (("links", 0), ("rechts", 1))
FIRST_STEP = 300.0
"""Seconds after which a round has failed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--note", default="", help="what a reader must know, such as a busy machine")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    rounds = [measured() for _ in range(arguments.rounds)]
    here = manifest.environment(device="cpu", processor="", world_size=1, threads=1)
    data = {
        "what": f"{ROWS} rows of a stranger's CSV to the first optimizer step: init, data add, run",
        "date": time.strftime("%Y-%m-%d"),
        "commit": here.commit,
        "uncommitted_changes": here.uncommitted_changes,
        "note": arguments.note,
        "hardware": {"processor": _processor(), "cores": os.cpu_count(), "load_before": round(load, 2)},
        "versions": {
            "python": platform.python_version(),
            "lingshu": lingshu_train.__version__,
            **here.packages,
        },
        "recipe": "adapt_tiny",
        "seconds": rounds,
        "most": {key: max(one[key] for one in rounds) for key in rounds[0]},
    }
    arguments.out.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(
        f"{arguments.out}: first step after {data['most']['to_first_step']:.1f} s at most, {len(rounds)} rounds"
    )


def measured() -> dict[str, float]:
    """One newcomer: seconds of each command, of the run up to the first line of the ledger, and of all together."""
    with tempfile.TemporaryDirectory() as root:
        table = stranger(Path(root) / "Klinik")
        project = Path(root) / "project"
        seconds = {"init": _timed(["init", str(project)], Path(root))}
        seconds["data_add"] = _timed(
            [
                "data",
                "add",
                str(table),
                "--name",
                "klinik",
                "--modality",
                "photo",
                "--recipe",
                "tiny",
                "--yes",
            ],
            project,
        )
        seconds["run_to_first_step"] = _first_step(["run", "klinik.yaml"], project)
        seconds["to_first_step"] = sum(seconds.values())
    return {key: round(value, 2) for key, value in seconds.items()}


def stranger(folder: Path) -> Path:
    """The table and its pictures: which half is brighter, how bright it is all in all, and is it a picture in colour?"""
    (folder / "Bilder").mkdir(parents=True)
    found = list(_pictures())
    rows = []
    for number in range(ROWS):
        source = found[number % len(found)]
        name = f"Aufnahme_{number:03d}.png"
        pixels = _cut(source, number)
        Image.fromarray(pixels).save(folder / "Bilder" / name)
        rows.append(_row(number, name, pixels))
    path = folder / "Röntgen-Fragen.csv"
    with path.open("w", encoding="latin-1", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _row(number: int, name: str, pixels: np.ndarray[Any, Any]) -> dict[str, str]:
    half = pixels.shape[1] // 2
    bright = pixels[:, :half].mean(), pixels[:, half:].mean()
    side = SIDES[int(bright[1] > bright[0])][0]
    asked = number % 2
    return {
        "Bilddatei": name,
        "Frage": "Welche Hälfte ist heller?" if asked else "Wie hell ist das Bild, von 0 bis 9?",
        "Antwort": side if asked else str(int(pixels.mean() * 10 / 256)),
        "Patientennummer": f"{1000 + number * PATIENTS // ROWS}",
        "Größe": f"{pixels.shape[1]} x {pixels.shape[0]}",
    }


def _pictures() -> Iterator[Path]:
    for package, patterns in SOURCES.items():
        spec = importlib.util.find_spec(package)
        assert spec and spec.origin, (
            f"pip install 'lingshu-train[quickstart]': {package} carries the pictures"
        )
        for pattern in patterns:
            yield from sorted(Path(spec.origin).parent.glob(pattern))


def _cut(path: Path, number: int) -> np.ndarray[Any, Any]:
    """Another part of the picture for each row, grey, 160 pixels square."""
    draw = np.random.default_rng(number)
    with Image.open(path) as image:
        grey = image.convert("L")
    size = min(grey.size) * int(draw.integers(50, 96)) // 100
    left, top = (int(draw.integers(0, edge - size + 1)) for edge in grey.size)
    return np.asarray(grey.crop((left, top, left + size, top + size)).resize((160, 160)))


def _command() -> list[str]:
    found = shutil.which("lingshu")
    return [found] if found else [sys.executable, "-m", "lingshu_train"]


def _timed(words: list[str], folder: Path) -> float:
    started = time.monotonic()
    done = subprocess.run(
        [*_command(), *words], cwd=folder, capture_output=True, text=True, env=_environment()
    )
    assert done.returncode == 0, done.stderr
    return time.monotonic() - started


def _first_step(words: list[str], folder: Path) -> float:
    """Seconds until the ledger of the first training stage has a line; the run is then told to stop."""
    started = time.monotonic()
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [*_command(), *words], cwd=folder, stdout=log, stderr=log, env=_environment()
        )
        try:
            while not any(path.read_bytes().count(b"\n") for path in folder.glob(f"runs/*/*/{ledger.NAME}")):
                assert process.poll() is None, (folder / "log.txt").read_text()
                assert time.monotonic() - started < FIRST_STEP, "no step in five minutes"
                time.sleep(0.02)
            return time.monotonic() - started
        finally:
            process.terminate()
            process.wait(timeout=120)


def _environment() -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1"}


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


if __name__ == "__main__":
    main()
