"""The built wheel, installed with pip into a fresh environment, used in an empty folder: what works there, and in what time.

`python benchmarks/wheel.py --out benchmarks/results/wheel.json`; `--plan-only` leaves out the run of the quickstart. It needs the
package index, about 6 GB of disk, and no package of this project. Constraints are those of requirements.lock.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERBS = (
    ("--version",),
    ("plan", "quickstart"),
    ("plan", "lingshu_7b"),
    ("data", "list"),
    ("data", "show", "slake"),
    ("init", "project"),
    ("plan", "project/first.yaml"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """One verb: how it ended, and the last lines of what it said (of its error, where there was one)."""

    verb: str
    exit_code: int
    seconds: float
    lines: int
    last: list[str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the new environment")
    parser.add_argument("--work", type=Path, help="an empty folder for all of it; default: a temporary one")
    parser.add_argument("--plan-only", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "wheel.json")
    given = parser.parse_args()
    work = given.work or Path(tempfile.mkdtemp(prefix="wheel-"))
    try:
        found, called = measure(
            work, given.python, verbs=VERBS if given.plan_only else (*VERBS, ("run", "quickstart"))
        )
    finally:
        if given.work is None:
            shutil.rmtree(work)
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
    return max(one.exit_code for one in called)


def measure(
    work: Path, python: str, *, verbs: tuple[tuple[str, ...], ...]
) -> tuple[dict[str, object], list[Called]]:
    """Build, install, and call each verb in an empty folder below `work`."""
    commit, load = told(["git", "rev-parse", "HEAD"], cwd=ROOT), round(os.getloadavg()[0], 1)
    dist, venv, folder = work / "dist", work / "venv", work / "empty"
    folder.mkdir(parents=True)
    call([python, "-m", "venv", str(venv)], cwd=work)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    call([*pip, "wheel", "--no-deps", "--wheel-dir", str(dist), str(ROOT)], cwd=work)
    (wheel,) = dist.glob("*.whl")
    started = time.monotonic()
    call([*pip, "install", "--constraint", str(ROOT / "requirements.lock"), f"{wheel}[quickstart]"], cwd=work)
    installed = round(time.monotonic() - started, 1)
    checked = subprocess.run([*pip, "check"], cwd=work, env=bare(), capture_output=True, text=True)
    called = [call_verb(venv, words, folder) for words in verbs]
    found: dict[str, object] = {
        "wheel": wheel.name,
        "wheel_bytes": wheel.stat().st_size,
        "python": told([str(venv / "bin" / "python"), "--version"], cwd=work),
        "machine": platform.platform(),
        "load_before": load,
        "commit": commit,
        "package": told(
            [str(venv / "bin" / "python"), "-c", "import lingshu_train; print(lingshu_train.__file__)"],
            cwd=folder,
        ).replace(str(work), "."),
        "install_s": installed,
        "environment_bytes": sum(path.lstat().st_size for path in venv.rglob("*") if path.is_file()),
        "pip_check": checked.stdout.strip() or "no broken requirements",
        "load_after": round(os.getloadavg()[0], 1),
        "verbs": [asdict(one) for one in called],
    }
    return found, called


def call_verb(venv: Path, words: tuple[str, ...], folder: Path) -> Called:
    started = time.monotonic()
    done = subprocess.run(
        [str(venv / "bin" / "lingshu"), *words], cwd=folder, env=bare(), capture_output=True, text=True
    )
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return Called(
        verb=" ".join(words),
        exit_code=done.returncode,
        seconds=round(time.monotonic() - started, 1),
        lines=len(lines),
        last=[line.replace(str(folder), ".") for line in lines[-4:]],
    )


def bare() -> dict[str, str]:
    """The environment without what would lead Python to a checkout."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LINGSHU"))},
        "OMP_NUM_THREADS": "1",
    }


def call(command: list[str], *, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, env=bare(), check=True)


def told(command: list[str], *, cwd: Path) -> str:
    return subprocess.run(
        command, cwd=cwd, env=bare(), check=True, capture_output=True, text=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
