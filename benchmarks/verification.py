"""What checking the inputs of a stage costs: seconds per GB when first read, when read before, and when known.

    python benchmarks/verification.py [--out FILE] [--gigabytes N] [--run RUN]

A stage of N GB in files of 64 MiB is checked as every stage checks its parents: from the disk (the page cache dropped), from the
page cache, and from the memory of hashes. The three take turns; medians. `--run`: the share of each stage of a finished run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import circumstances
import numpy as np

from lingshu_train.kind import About
from lingshu_train.runs import hashes, inputs, manifest, run
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.stage import Stage

FILE_BYTES = 64 * 2**20
REPEATS = 5


def stage_of(root: Path, name: str, parents: dict[str, str]) -> Stage:
    """A stage record with nothing in it."""
    return Stage(
        run="benchmark",
        name=name,
        kind="prepare",
        content=name,
        folder=str(root / name),
        parents=parents,
        about=About(role="corpus", method="prepare"),
        config={},
        model={},
        cluster=Cluster(name="here"),
        world_size=1,
        seed=0,
        data_root="data",
        version="benchmark",
    )


def write(root: Path, gigabytes: float) -> tuple[Stage, float]:
    """A finished stage of so many GB, and the seconds that its manifest took: forced to disk and hashed."""
    parent = stage_of(root, "parent", {})
    parent.write()
    (parent.path / "corpus").mkdir()
    draw = np.random.default_rng(0)
    for number in range(max(round(gigabytes * 1e9 / FILE_BYTES), 1)):
        (parent.path / "corpus" / f"images-{number:05d}.tar").write_bytes(draw.bytes(FILE_BYTES))
    started = time.perf_counter()
    here = manifest.environment(device="cpu", processor="", world_size=1, threads=1)
    manifest.write(parent, ran_on=here, results={}, outputs=["corpus"], seconds=0)
    return stage_of(root, "child", {"parent": str(parent.path)}), time.perf_counter() - started


def drop(folder: Path) -> None:
    """Have the kernel forget the content of the files."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def timed(stage: Stage) -> float:
    """Seconds of one check."""
    started = time.perf_counter()
    inputs.settle(stage, [inputs.check(stage, rank=0, world_size=1)], first=True)
    return time.perf_counter() - started


def measure(gigabytes: float) -> dict[str, Any]:
    """Seconds per GB of the three, which take turns."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        stage, written = write(root, gigabytes)
        size = sum(path.stat().st_size for path in (root / "parent" / "corpus").iterdir()) / 1e9
        time.sleep(2.5)
        seconds: dict[str, list[float]] = {"from_disk": [], "from_page_cache": [], "known": []}
        for _ in range(REPEATS):
            for kind, found in seconds.items():
                if kind == "from_disk":
                    drop(root / "parent")
                if kind != "known":
                    (root / hashes.NAME).unlink(missing_ok=True)
                found.append(timed(stage))
        medians = {kind: statistics.median(found) for kind, found in seconds.items()}
        return {
            "gigabytes": round(size, 3),
            "manifest_s_per_gb": round(written / size, 3),
            **{f"{kind}_s_per_gb": round(value / size, 4) for kind, value in medians.items()},
            "known_s": round(medians["known"], 4),
            "known_of_from_disk": round(medians["known"] / medians["from_disk"], 4),
        }


def shares(folder: Path) -> dict[str, Any]:
    """Of each finished stage of a run what the check took, and its share."""
    found = run.read(folder)
    made = [manifest.read(found.folder(entry)) for entry in found.stages if found.state(entry) == "done"]
    return {
        one.stage.name: {
            "seconds": one.seconds,
            "bytes_read": one.verified.read,
            "bytes_known": one.verified.known,
            "check_s": one.verified.seconds,
            "share": round(one.verified.seconds / one.seconds, 4),
        }
        for one in made
        if one.verified
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "verification.json")
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--run", type=Path)
    chosen = parser.parse_args()
    result = {
        **circumstances.told("pydantic"),
        "repeats": REPEATS,
        "check": measure(chosen.gigabytes),
        "stages": shares(chosen.run) if chosen.run else {},
    }
    chosen.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
