"""Two machines on one: network namespaces (network/two_machines.sh), each with its own host name, /etc/hosts and mounts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import small_run
import started_there

HERE = Path(__file__).parent / "network"
SCRIPT = HERE / "two_machines.sh"
NAME = f"m{os.getpid()}x"
"""Of this test process alone; the addresses are those of a network of its own too."""
NET, PORT = "10.78.0", 23456


def missing() -> str:
    """Why there can be none here; empty where there can."""
    if os.geteuid() != 0:
        return "two machines on one need root, for their network namespaces"
    absent = [name for name in ("ip", "nsenter", "unshare") if not shutil.which(name)]
    return f"not installed: {', '.join(absent)} (Debian: iproute2 util-linux)" if absent else ""


def told(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(SCRIPT), *words], capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def up() -> Iterator[str]:
    """While the block runs they are there; yields why they are not."""
    told("down", NAME)
    done = told("up", NAME, NET)
    try:
        yield "" if done.returncode == 0 else f"no network namespaces here: {done.stderr.strip()[-200:]}"
    finally:
        told("down", NAME)


def cut() -> None:
    """Nothing arrives any more, and nobody hears of it."""
    done = told("cut", NAME, NET)
    assert done.returncode == 0, done.stderr


@dataclass(slots=True)
class Machine:
    """One rank of a run on machine 0 or 1, and what it says."""

    number: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def ended(self, seconds: float) -> tuple[int, list[str]]:
        """Its exit code, and the lines that say why."""
        try:
            code = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"machine {self.number} has not ended: {self.said}") from None
        assert "Traceback" not in self.said, self.said
        return code, [line for line in self.said.splitlines() if line.startswith("lingshu: ")]


def start(
    number: int, recipe: Path, folder: Path, *overrides: str, before: str = "", log: Path | None = None
) -> Machine:
    """The ranks of one machine, started as launch/slurm.sh does. `before`: a shell's words to run first, there."""
    place = log or folder.parent / f"machine-{number}.txt"
    words = [
        *(sys.executable, "-m", started_there.NAME, f"--machine={NAME}{number + 1}", f"--before={before}"),
        *("lingshu_train.running.machines", "--machines=2", f"--machine={number}"),
        *("--ranks=1", f"--meet={NET}.1:{PORT}", "--id=test", str(recipe), f"output={folder}", *overrides),
    ]
    with place.open("wb") as out:
        process = subprocess.Popen(words, env=small_run.environment(), stdout=out, stderr=out)
    return Machine(number, process, place)
