"""Measures preparing pictures: ours (`images.encoded`) against Pillow through datasets, on the same files, one process.

    python benchmarks/images.py [--rounds 3] [--out FILE]

Arms, run in turn within each round, each in a process forked for it, timed by the CPU seconds of that process, which
other work on the machine disturbs less than the clock:
- ours: checked, metadata removed, fitted to the pixel budget where it is larger and no JPEG, appended to one file;
- datasets: `datasets.Image` decodes, Pillow converts to RGB, datasets writes Arrow (it encodes PNG);
- datasets_resized: the same with Qwen's smart resize before writing;
- datasets_kept: Pillow decodes to check and the file's own bytes go into Arrow, metadata and all, nothing fitted.
DICOM is read by ours alone: pydicom's test files that its header windows let us show.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import circumstances
import datasets
import numpy as np
import pydicom
from PIL import Image

from lingshu_train.data import images
from lingshu_train.errors import LingshuError
from lingshu_train.model import shape

BUDGET = shape.of("qwen2_5_vl").published_budget(min_pixels=56 * 56, max_pixels=1280 * 28 * 28)
SETS = {
    "jpeg_512": ("JPEG", 512, 48),
    "jpeg_1024": ("JPEG", 1024, 16),
    "png_512": ("PNG", 512, 24),
    "png_1024": ("PNG", 1024, 8),
}
Arm = Callable[[list[Path], Path], None]


def picture(seed: int, side: int) -> Image.Image:
    """Even seeds grey, like a radiograph; odd ones coloured, like histology: broad shapes with sensor noise."""
    rng = np.random.default_rng(seed)
    channels = 1 if seed % 2 == 0 else 3
    coarse = rng.uniform(30, 225, (12, 12, channels)).astype(np.uint8)
    smooth = Image.fromarray(np.squeeze(coarse)).resize((side, side), Image.Resampling.BICUBIC)
    values = np.asarray(smooth, dtype=np.float64).reshape(side, side, channels)
    noisy = values + rng.normal(0, 4, values.shape)
    return Image.fromarray(np.squeeze(np.clip(noisy, 0, 255).astype(np.uint8)))


def files(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for name, (kind, side, count) in SETS.items():
        found[name] = [folder / f"{name}-{number}.{kind.lower()}" for number in range(count)]
        for number, path in enumerate(found[name]):
            picture(number, side).save(path, kind, quality=90)
    return found


def dicoms() -> list[Path]:
    """pydicom's own test files that can be shown as they are."""
    shown = []
    for path in sorted(Path(pydicom.__file__).parent.joinpath("data", "test_files").glob("*.dcm")):
        try:
            images.decode(path)
        except LingshuError:
            continue
        shown.append(path)
    return shown


def ours(paths: list[Path], folder: Path) -> None:
    with (folder / "shard").open("wb") as shard:
        for path in paths:
            shard.write(images.encoded(path, budget=BUDGET).data)


def through_datasets(paths: list[Path], folder: Path, *, resized: bool = False) -> None:
    def one(row: dict[str, Any]) -> dict[str, Any]:
        image = row["image"].convert("RGB")
        if resized:
            image = image.resize(BUDGET.fitted(*image.size), Image.Resampling.BICUBIC)
        return {"image": image}

    rows = datasets.Dataset.from_dict({"image": [str(path) for path in paths]})
    rows = rows.cast_column("image", datasets.Image())
    rows.map(one, cache_file_name=str(folder / "rows.arrow"), load_from_cache_file=False)


def resized_through_datasets(paths: list[Path], folder: Path) -> None:
    through_datasets(paths, folder, resized=True)


def kept_by_datasets(paths: list[Path], folder: Path) -> None:
    def one(row: dict[str, Any]) -> dict[str, Any]:
        data = Path(row["image"]["path"]).read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            image.convert("RGB")
        return {"image": {"bytes": data, "path": None}}

    rows = datasets.Dataset.from_dict({"image": [str(path) for path in paths]})
    rows = rows.cast_column("image", datasets.Image(decode=False))
    rows.map(one, cache_file_name=str(folder / "rows.arrow"), load_from_cache_file=False)


def measured(arm: Arm, paths: list[Path]) -> dict[str, float]:
    """Seconds of CPU, MiB of memory on top of what the process began with, and bytes written."""
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            began = time.process_time()
            arm(paths, Path(folder))
            seconds = time.process_time() - began
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            written = sum(path.stat().st_size for path in Path(folder).iterdir())
        sender.send({"seconds": seconds, "peak_mib": peak / 1024, "bytes": written})

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    found: dict[str, float] = receiver.recv()
    child.join()
    return found


def compared(paths: list[Path], arms: dict[str, Arm], rounds: int) -> dict[str, Any]:
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in arms}
    for _ in range(rounds):
        for name, arm in arms.items():
            runs[name].append(measured(arm, paths))
    result: dict[str, Any] = {"files": len(paths), "bytes_read": sum(path.stat().st_size for path in paths)}
    for name, found in runs.items():
        rates = [len(paths) / run["seconds"] for run in found]
        result[name] = {
            "images_per_cpu_second": round(statistics.median(rates), 1),
            "slowest_and_fastest": [round(min(rates), 1), round(max(rates), 1)],
            "peak_mib": round(max(run["peak_mib"] for run in found), 1),
            "bytes_written": int(found[0]["bytes"]),
        }
    for name in arms:
        if name != "ours":
            ratio = result["ours"]["images_per_cpu_second"] / result[name]["images_per_cpu_second"]
            result[f"ours_to_{name}"] = round(ratio, 2)
    return result


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "images.json")
    options = parser.parse_args(arguments)
    datasets.disable_progress_bars()
    warnings.simplefilter("ignore")
    arms: dict[str, Arm] = {
        "ours": ours,
        "datasets": through_datasets,
        "datasets_resized": resized_through_datasets,
        "datasets_kept": kept_by_datasets,
    }
    result: dict[str, Any] = {
        **circumstances.told("pillow", "datasets", "pyarrow", "numpy", "pydicom"),
        "budget": {"min_pixels": BUDGET.min_pixels, "max_pixels": BUDGET.max_pixels},
        "rounds": options.rounds,
        "sets": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, paths in files(Path(folder)).items():
            result["sets"][name] = compared(paths, arms, options.rounds)
        result["sets"]["dicom"] = compared(dicoms(), {"ours": ours}, options.rounds)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
