"""10,000 requests to a teacher on this machine that fails one time in five, with kills on the way: what is lost, what is paid twice.

python benchmarks/synthesis.py [--rows 2000] [--kills 3] writes benchmarks/results/synthesis.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "support"), str(HERE)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import circumstances  # noqa: E402
import curating  # noqa: E402
import psutil  # noqa: E402
import teaching  # noqa: E402
import tiny  # noqa: E402

OUT = HERE / "results" / "synthesis.json"
SHARE = 0.2


class Faulty:
    """One request in five fails, drawn from its number: turned away, an error, a broken line, half a reply."""

    def __init__(self, rule: teaching.Rule) -> None:
        self.rule, self.done = rule, Counter[str]()
        self._lock = threading.Lock()

    def __call__(self, asked: teaching.Asked) -> teaching.Reply:
        draw = random.Random(asked.number)
        if draw.random() >= SHARE:
            return self.rule(asked)
        kind = draw.choice(["429", "500", "503", "line", "half"])
        with self._lock:
            self.done[kind] += 1
        match kind:
            case "429":
                return teaching.Fault(429, head={"Retry-After": "0"})
            case "line":
                return teaching.Fault(0)
            case "half":
                return teaching.Fault(200, text='{"choices": [{"message": {"con')
            case _:
                return teaching.Fault(int(kind))


def run(root: Path, parent: Path, rule: teaching.Rule, *, kills: int, calls: int) -> dict[str, Any]:
    """A stage to its end, killed on the way so many times."""
    with teaching.teaching(rule) as teacher:
        stage = teaching.stage(root, parent, teacher, asking={"parallel": 16, "tries": 12, "timeout_s": 30.0})
        began, again = time.monotonic(), 0
        for number in range(kills):
            goal = len(teacher.asked) + calls // (kills + 1)
            tiny.kill_when(tiny.start(stage), lambda goal=goal: len(teacher.asked) >= goal)  # type: ignore[misc]
            again = number + 1
        process = tiny.start(stage)
        peak = 0
        while process.poll() is None:
            try:
                peak = max(peak, psutil.Process(process.pid).memory_info().rss)
            except psutil.Error:
                break
            time.sleep(0.1)
        assert process.wait() == 0, (stage.path / "log.txt").read_text()[-2000:]
        seconds = time.monotonic() - began
        distinct, answered = len(teacher.answered), sum(teacher.answered.values())
        with sqlite3.connect(root / "teacher" / "replies.sqlite") as base:
            (kept,) = base.execute("select count(*) from replies").fetchone()
        return {
            "requests_sent": len(teacher.asked),
            "distinct_requests_answered": distinct,
            "answers_given": answered,
            "answered_twice": teacher.paid_twice,
            "most_under_way": teacher.most,
            "replies_kept": kept,
            "kills": again,
            "seconds": round(seconds, 1),
            "peak_MB": round(peak / 1e6),
            "corpus": digest(stage.path),
        }


def digest(folder: Path) -> str:
    """sha256 over what was made: rows, pictures, the table."""
    found = hashlib.sha256()
    for name in ("corpus/rows-00000.arrow", "corpus/images-00000.tar", "made.parquet"):
        found.update((folder / name).read_bytes())
    return found.hexdigest()


def hits(root: Path, parent: Path, rule: teaching.Rule) -> dict[str, Any]:
    """A second run over the same replies."""
    with teaching.teaching(rule) as teacher:
        cache = str(root / "teacher" / "replies.sqlite")
        stage = teaching.stage(root / "again", parent, teacher, cache=cache, asking={"parallel": 16})
        began = time.monotonic()
        facts = tiny.run_here(stage)
        seconds = time.monotonic() - began
        return {
            "requests_sent": len(teacher.asked),
            "seconds": round(seconds, 1),
            "replies_a_second": round(facts["replies"] / seconds),  # type: ignore[operator]
            "corpus": digest(stage.path),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rows, answers = teaching.questions(given.rows)
        curating.corpus(root / "raw", rows)
        parent = teaching.finished(root / "raw")
        right = teaching.reasoner(answers)
        calls = 5 * given.rows
        faulty = Faulty(right)
        found = {
            **circumstances.told("pyarrow", "urllib3"),
            "rows": given.rows,
            "share_of_faults": SHARE,
            "straight": run(root / "straight", parent, right, kills=0, calls=calls),
            "faults": run(root / "faults", parent, faulty, kills=0, calls=calls),
            "faults_and_kills": run(root / "killed", parent, Faulty(right), kills=given.kills, calls=calls),
            "second_run": hits(root / "faults", parent, right),
            "faults_done": dict(faulty.done),
        }
        found["same_corpus"] = (
            len({found[name]["corpus"] for name in ("straight", "faults", "faults_and_kills", "second_run")})
            == 1
        )
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
