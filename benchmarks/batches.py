"""Requests in batches to a teacher on this machine that fails one request in five: what is lost, what is paid twice.

    python benchmarks/batches.py [--rows 300]

The rows go through `vqa_reasoning` over the line, and in batches of 200 requests of which a fifth fails by turns, and every ninth
call to the server is answered by silence though it was done. The result is benchmarks/results/batches.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "support"), str(HERE)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import circumstances  # noqa: E402
import curating  # noqa: E402
import teaching  # noqa: E402
import tiny  # noqa: E402
from batching import BatchTeacher, batching  # noqa: E402

RESULT = HERE / "results" / "batches.json"
SHARE, LOST = 0.2, 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rows, answers = teaching.questions(given.rows)
        parent = curating.corpus(root / "raw", rows)
        right = teaching.reasoner(answers)
        with teaching.teaching(right) as line:
            straight = teaching.stage(root / "line", parent, line, asking={"parallel": 8})
            tiny.run_here(straight)
        told = {
            **circumstances.told("pyarrow", "urllib3"),
            "rows": given.rows,
            "share_of_faults": SHARE,
            "one_call_in_so_many_answered_by_silence": LOST,
            "over_the_line": {"answers": sum(line.answered.values())},
            "in_batches": batched(root / "batch", parent, right, digest(straight.path)),
        }
    RESULT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(told, indent=1))


def digest(folder: Path) -> str:
    """sha256 over rows and pictures. The table of what was asked has the tokens that each server counts in its own way."""
    found = hashlib.sha256()
    for name in ("corpus/rows-00000.arrow", "corpus/images-00000.tar"):
        found.update((folder / name).read_bytes())
    return found.hexdigest()


def batched(root: Path, parent: Path, right: teaching.Rule, same: str) -> dict[str, Any]:
    faults = 0

    def faulty(asked: teaching.Asked) -> teaching.Reply:
        nonlocal faults
        if random.Random(asked.number).random() < SHARE:
            faults += 1
            return teaching.Fault(503)
        return right(asked)

    with batching(BatchTeacher(faulty)) as teacher:
        teacher.meddle = lambda call, number: "lost" if number % LOST == 0 else ""
        asking = {"batch": {"poll_s": 0.02, "most_requests": 200}, "tries": 12}
        stage = teaching.stage(root, parent, teacher, asking=asking)  # type: ignore[arg-type]
        began = time.monotonic()
        facts = tiny.run_here(stage)
        return {
            "batches": len(teacher.batches),
            "calls": len(teacher.calls),
            "requests_sent": teacher.asked,
            "failed": faults,
            "distinct_requests_answered": len(teacher.answered),
            "answered_twice": teacher.paid_twice,
            "rows_kept": facts["rows_kept"],
            "seconds": round(time.monotonic() - began, 1),
            "same_rows_as_over_the_line": digest(stage.path) == same,
        }


if __name__ == "__main__":
    main()
