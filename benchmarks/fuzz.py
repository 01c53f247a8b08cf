"""Runs odd command lines and verbs over damaged files in processes of their own, and counts what is not one line.

    PYTHONPATH=tests/support python benchmarks/fuzz.py [--lines 200] [--files 200] [--seed 0] [--out FILE]

The command lines and the damages are those of `tests/support/damage.py`. No stage is started, and no server is asked
(HF_HUB_OFFLINE).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import damage
import made_up_run

ROOT = Path(__file__).resolve().parents[1]
CODES = {0, 64, 65, 66, 73, 74, 75, 77, 78}
PLACES = ("run", "answers.jsonl", "mine.yaml", "nowhere", "a_folder", "run/run.json", "a b", "/dev/null", ".")
RECIPE = "defaults: [lingshu_7b, _self_]\nname: mine\noutput: runs/mine\npipeline: [shallow]\nnotes: {seed: ours}\n"
FILES: dict[str, tuple[dict[str, bool], list[list[str]]]] = {
    "run/run.json": ({"structured": True}, [["status", "run"], ["report", "run"]]),
    "run/*/manifest.json": ({"structured": True}, [["verify", "run"], ["report", "run"]]),
    "run/*/stage.json": ({"structured": True}, [["report", "run"], ["push", "run", "export", "me/x"]]),
    "run/*/results.json": ({"structured": True}, [["report", "run"]]),
    "run/*/ledger.jsonl": ({"lines": True}, [["report", "run"]]),
    "run/*/predictions/*.jsonl": ({"lines": True}, [["report", "run"]]),
    "answers.jsonl": (
        {"lines": True},
        [["score", "answers.jsonl"], ["score", "answers.jsonl", "--out", "judged.jsonl"]],
    ),
    "mine.yaml": ({}, [["plan", "mine.yaml"], ["run", "mine.yaml"]]),
}


COMMAND = """
import sys
from lingshu_train import cli
from lingshu_train.errors import RunAgain
from lingshu_train.running import launch

def stop(*_):
    raise RunAgain("a stage would have been started")

launch.run = stop
sys.exit(cli.main())
"""
"""The command as it is, but for the stages: what is typed may be a run that has all it needs."""


@dataclass(frozen=True, slots=True)
class End:
    """How one command ended."""

    argv: Sequence[str]
    code: int
    error: str

    @property
    def traceback(self) -> bool:
        return "Traceback (most recent call last)" in self.error

    @property
    def lines(self) -> int:
        """Lines on stderr, progress bars aside."""
        said = re.split(r"[\r\n]+", self.error)
        return sum(bool(line) and not re.match(r"(?!lingshu: )\w+: +\d*%?.*\|", line) for line in said)

    @property
    def fault(self) -> str:
        """What is not as promised; empty where all is."""
        if self.traceback:
            return "traceback"
        if self.code not in CODES:
            return f"exit code {self.code}"
        return (
            "more than one line"
            if self.code and self.lines > 1 and self.argv[:2] != ["data", "fetch"]
            else ""
        )


def folder(place: Path) -> Path:
    """A folder with one of each file."""
    made_up_run.build(place / "run", questions=6, cards=("package_pydicom",))
    row = {"id": "1", "question": "Mass?", "question_type": "yes_no", "answer": "yes", "response": "Yes"}
    (place / "answers.jsonl").write_text((json.dumps(row) + "\n") * 3)
    (place / "mine.yaml").write_text(RECIPE)
    (place / "a_folder").mkdir()
    return place


def run(argv: list[str], place: Path) -> End:
    """One command in a process of its own, as it would be typed."""
    told = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", COMMAND, *argv]
    done = subprocess.run(
        command, cwd=place, env=told, capture_output=True, stdin=subprocess.DEVNULL, timeout=300
    )
    return End(argv, done.returncode, done.stderr.decode("utf-8", "replace"))


def lines(count: int, seed: int, whole: Path) -> list[End]:
    """Command lines over a folder that is whole."""
    found: list[list[str]] = []
    number = seed
    while len(found) < count:
        argv = damage.command_line(random.Random(number), PLACES)
        number += 1
        # No process takes a zero byte in an argument, nor half of a pair of UTF-16.
        if not any("\0" in word or "\ud800" in word for word in argv):
            found.append(argv)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda argv: run(argv, whole), found))


def files(count: int, seed: int, whole: Path) -> list[End]:
    """A verb that reads it, after each damage."""

    def one(number: int) -> End:
        draw = random.Random(number)
        with tempfile.TemporaryDirectory() as place:
            copy = Path(place) / "copy"
            shutil.copytree(whole, copy)
            pattern = draw.choice(list(FILES))
            kind, verbs = FILES[pattern]
            damage.strike(draw, draw.choice(sorted(copy.glob(pattern))), **kind)
            return run(draw.choice(verbs), copy)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, range(seed, seed + count)))


def told(ends: list[End]) -> dict[str, object]:
    """Counts, and each command that did not end as promised."""
    return {
        "commands": len(ends),
        "tracebacks": sum(end.traceback for end in ends),
        "faults": [
            {"argv": end.argv, "fault": end.fault, "error": end.error[-300:]} for end in ends if end.fault
        ],
        "exit_codes": dict(sorted(Counter(end.code for end in ends).items())),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        whole = folder(Path(place))
        result = {
            "command_lines": told(lines(chosen.lines, chosen.seed, whole)),
            "damaged_files": told(files(chosen.files, chosen.seed, whole)),
        }
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    about = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit,
        "python": platform.python_version(),
        "seed": chosen.seed,
        "seconds": round(time.monotonic() - started),
    }
    text = json.dumps({**about, **result}, indent=1, ensure_ascii=True) + "\n"
    print(text)
    if chosen.out:
        chosen.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
