"""Trains tiny models on more layouts than the tests do, and says how far they end from the oracle of `tests/oracle`.

    python benchmarks/oracle.py [--out FILE] [--draws 8000]

Fine-tuning and GRPO on one rank and two, plain and under ZeRO-1, 2 and 3; the chances of drawn tokens; greedy answers. Every
number is the largest difference over all steps (see `apart` in `tests/oracle/stepping.py` and `rewarding.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from order import _processor

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS / name) for name in ("support", "oracle")]

import answering  # noqa: E402
import material  # noqa: E402
import rewarding  # noqa: E402
import stepping  # noqa: E402

PACKAGES = ("torch", "transformers", "trl", "accelerate", "deepspeed", "numpy")


def compared(layouts: Iterable[str], measure: Callable[[str], dict[str, float]]) -> dict[str, Any]:
    found = {}
    for layout in layouts:
        started = time.monotonic()
        apart = {name: float(f"{value:.2g}") for name, value in measure(layout).items()}
        print(f"{layout}: {apart} ({time.monotonic() - started:.0f} s)", file=sys.stderr)
        found[layout] = apart
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--draws", type=int, default=8_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "oracle").mkdir()
        material.draw(folder / "oracle")
        given = material.Material(folder / "oracle")
        result = {
            "date": datetime.now(UTC).date().isoformat(),
            "commit": subprocess.run(
                ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
            ).stdout.strip(),
            "hardware": {"processor": _processor(), "cores": os.cpu_count()},
            "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
            "fine_tuning": compared(
                [*stepping.LAYOUTS, *stepping.MORE],
                lambda layout: stepping.apart(stepping.pair(layout, given, folder)),
            ),
            "grpo": compared(
                [*rewarding.LAYOUTS, *rewarding.MORE],
                lambda layout: rewarding.apart(rewarding.pair(layout, given, folder)),
            ),
            "draws": answering.drawn(given, folder, draws=args.draws).apart(),
            "greedy": answering.greedy(given, folder, rows=60, most=20),
        }
    text = json.dumps(result, indent=1) + "\n"
    args.out.write_text(text) if args.out else print(text, end="")


if __name__ == "__main__":
    main()
