"""What signing and checking weights costs: seconds per GB, beside the bare sha256 of the same files.

    python benchmarks/signing.py [--out FILE] [--gigabytes N]

A folder of N GB in files of 256 MiB, as an export has them, is signed and checked from the page cache. Hashing, signing and checking
take turns; medians, and the ratio of each to hashing in the same round. The command's own start is measured by itself.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lingshu_train.hub import signature
from lingshu_train.runs import hashes

FILE_BYTES = 256 * 2**20
REPEATS = 3


def keys(folder: Path) -> tuple[Path, Path]:
    """A private and a public key, as the documentation says to make them."""
    private, public = folder / "key.pem", folder / "key.pub"
    for words in (
        ("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private),
        ("ec", "-in", private, "-pubout", "-out", public),
    ):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
    return private, public


def weights(folder: Path, gigabytes: float) -> float:
    """Random bytes in files of 256 MiB and a rest; the GB that were written."""
    draw, left, number = np.random.default_rng(0), round(gigabytes * 1e9), 0
    while left > 0:
        number += 1
        (folder / f"model-{number:05d}.safetensors").write_bytes(draw.bytes(min(left, FILE_BYTES)))
        left -= FILE_BYTES
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e9


def timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measure(gigabytes: float) -> dict[str, Any]:
    """Seconds per GB of the three, which take turns."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        folder = root / "export"
        folder.mkdir()
        private, public = keys(root)
        size = weights(folder, gigabytes)
        files = sorted(folder.iterdir())
        calls: dict[str, Callable[[], object]] = {
            "hash": lambda: hashes.of(files),
            "sign": lambda: signature.sign(folder, private),
            "verify": lambda: signature.verify(folder, public),
        }
        for call in calls.values():
            call()
        rounds = [{name: timed(call) for name, call in calls.items()} for _ in range(REPEATS)]
        told: dict[str, Any] = {"gigabytes": round(size, 3), "files": len(files)}
        for name in calls:
            told[f"{name}_s_per_gb"] = round(statistics.median(one[name] for one in rounds) / size, 4)
        for name in ("sign", "verify"):
            told[f"{name}_of_hash"] = round(statistics.median(one[name] / one["hash"] for one in rounds), 3)
        told["signature_bytes"] = (folder / "model.sig").stat().st_size
        return told


def start_s() -> float:
    """Seconds until the package is loaded, by a process of its own; the least of three."""
    return min(
        timed(lambda: subprocess.run([sys.executable, "-c", "import model_signing"], check=True))
        for _ in range(3)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "signing.json")
    parser.add_argument("--gigabytes", type=float, default=1.0)
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    here = Path(__file__).parent
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, cwd=here
    )
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit.stdout.strip(),
        "hardware": {
            "processor": platform.processor() or platform.machine(),
            "cores": len(os.sched_getaffinity(0)),
            "load_before": round(load, 1),
        },
        "versions": {
            "python": sys.version.split()[0],
            **{name: importlib.metadata.version(name) for name in ("model-signing", "cryptography")},
        },
        "repeats": REPEATS,
        "package_loads_s": round(start_s(), 2),
        "signing": measure(chosen.gigabytes),
    }
    chosen.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
