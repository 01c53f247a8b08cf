"""What a ledger costs: a line at each step, and its copy in each checkpoint, by the number of lines that it has.

    python benchmarks/ledger.py [--out FILE] [--before RESULT]

A line is appended with and without forcing it to disk, by turns; the first is what training does. A checkpoint checks the ledger
(every step once and in order, and as the checkpoint before has it) and copies it: seconds for ledgers of 1,000 to 100,000 lines, a
hundred of them since the checkpoint before, beside writing, forcing to disk and hashing a checkpoint of 100 MB, by turns. Lines are
those of the quickstart's supervised stages, of some 400 bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import circumstances

from lingshu_train.runs import checkpoint, ledger

RESULT = Path(__file__).resolve().parent / "results" / "ledger.json"
LENGTHS, SINCE, REPEATS = (1_000, 10_000, 100_000), 100, 7
APPENDED, CHECKPOINT_BYTES = 200, 100_000_000
LINE: dict[str, ledger.Column] = {
    "entropy": 2.1731879711151123,
    "epoch": 1,
    "grad_norm": 0.45549145340919495,
    "learning_rate": 0.0019994,
    "learning_rate/language_model": 0.0019994,
    "learning_rate/merger": 0.0019994,
    "learning_rate/vision_tower": 0.0019994,
    "loss": 0.13100431859493256,
    "samples": "21040f24cd78",
    "seconds": 0.4123,
    "token_accuracy": 0.9531250001,
    "tokens": 1234567.0,
    "tokens_per_second": 5123.4,
}


def timed(do: Callable[[], object]) -> float:
    since = time.perf_counter()
    do()
    return time.perf_counter() - since


def appended(root: Path) -> dict[str, float]:
    """Microseconds of a line, forced to disk and not."""
    kept = ledger.Ledger(root)
    forced, loose = os.fsync, lambda _: None
    arms: dict[str, list[float]] = {"forced": [], "not_forced": []}
    try:
        for step in range(1, 2 * APPENDED + 1):
            name = "forced" if step % 2 else "not_forced"
            os.fsync = forced if step % 2 else loose
            arms[name].append(timed(lambda step=step: kept.append(step, LINE)))
    finally:
        os.fsync = forced
    return {f"{name}_us": round(1e6 * statistics.median(values), 1) for name, values in arms.items()}


def carried(stage: Path, lines: int) -> dict[str, Any]:
    """Seconds to check and copy a ledger of so many lines, and to commit a checkpoint, by turns."""
    stage.mkdir()
    before = lines - SINCE
    write(stage, 1, before)
    place = staged(stage, before, size=0)
    ledger.carry(stage, place, step=before)
    checkpoint.commit(stage, place, step=before, content="benchmark", world_size=1)
    write(stage, before + 1, lines)
    arms: dict[str, list[float]] = {"carry": [], "commit": []}
    for _ in range(REPEATS):
        place = staged(stage, lines, size=CHECKPOINT_BYTES)
        arms["carry"].append(timed(lambda place=place: ledger.carry(stage, place, step=lines)))
        arms["commit"].append(
            timed(
                lambda place=place: checkpoint.commit(
                    stage, place, step=lines, content="benchmark", world_size=1
                )
            )
        )
        # The next is compared with the checkpoint before it as well.
        checkpoint.place(stage, lines).rename(stage / "away")
        (stage / "away").rename(stage / f"away-{len(arms['carry'])}")
    medians = {name: statistics.median(values) for name, values in arms.items()}
    return {
        "bytes": (stage / ledger.NAME).stat().st_size,
        "carry_s": round(medians["carry"], 4),
        "commit_of_100_mb_s": round(medians["commit"], 4),
        "carry_over_commit": round(medians["carry"] / medians["commit"], 4),
    }


def write(stage: Path, first: int, last: int) -> None:
    lines = (json.dumps({"step": step, **LINE}, sort_keys=True) + "\n" for step in range(first, last + 1))
    with (stage / ledger.NAME).open("a", encoding="utf-8") as stream:
        stream.writelines(lines)


def staged(stage: Path, step: int, *, size: int) -> Path:
    place = checkpoint.staging(stage, step) / f"checkpoint-{step}"
    place.mkdir(parents=True)
    (place / "model.safetensors").write_bytes(os.urandom(1_000_000) * (size // 1_000_000))
    return place


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--before", type=Path, help="a result of older code, whose figures are kept beside")
    chosen = parser.parse_args()
    os.environ.setdefault("LINGSHU_KEY", "a-key-of-the-benchmark-that-signs-nothing-else")
    found = {"what": (__doc__ or "").partition("\n")[0], **circumstances.told(), "repeats": REPEATS}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        found["a_line"] = appended(root)
        found["a_checkpoint"] = {f"{lines:,} lines": carried(root / str(lines), lines) for lines in LENGTHS}
    if chosen.before:
        older = json.loads(chosen.before.read_text(encoding="utf-8"))
        found["before"] = {key: older[key] for key in ("commit", "hardware", "a_checkpoint")}
    chosen.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
