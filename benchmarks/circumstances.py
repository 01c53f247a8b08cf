"""What every result of a benchmark says of where it came from: date, commit, hardware with its load, versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def told(*packages: str) -> dict[str, Any]:
    """To be called before anything is measured, since that is a load itself. `packages` are those whose versions count."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _git("rev-parse", "HEAD") or "not recorded: no checkout",
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "hardware": {
            "processor": processor(),
            "cores": len(os.sched_getaffinity(0)),
            "load_before": round(os.getloadavg()[0], 1),
        },
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in packages},
    }


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git(*words: str) -> str:
    """What git says of the checkout; empty where there is none, as on a machine that was sent the files alone."""
    if shutil.which("git") is None:
        return ""
    return subprocess.run(
        ["git", *words], cwd=HERE, capture_output=True, text=True, check=False
    ).stdout.strip()
