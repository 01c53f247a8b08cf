"""launch/setup.sh: whoever waits for the installation sees what comes, how much, and that it goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIP = """#!/bin/sh
[ "$1" = -c ] && exit 0
echo "Collecting torch==2.13.0"
echo "  Downloading torch-2.13.0-cp311-none-linux_x86_64.whl (899.8 MB)"
echo "  Downloading six-1.17.0-py2.py3-none-any.whl (11 kB)"
echo "Installing collected packages: six, torch"
echo "ERROR: $FAULT" >&2
exit ${CODE:-0}
"""
"""Stands in for the Python of the environment, and with it for pip."""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What setup.sh reads of a clone, with an environment whose pip is PIP."""
    (tmp_path / "launch").mkdir()
    shutil.copy(ROOT / "launch" / "setup.sh", tmp_path / "launch")
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    (tmp_path / "requirements.lock").write_text("six==1.17.0\ntorch==2.13.0\n", encoding="utf-8")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PIP, encoding="utf-8")
    python.chmod(0o755)
    return tmp_path


def prepare(clone: Path, **told: str) -> subprocess.CompletedProcess[str]:
    script = "source launch/setup.sh; prepare requirements.lock"
    surroundings = {"PATH": os.environ["PATH"], **told}
    return subprocess.run(
        ["bash", "-c", script], cwd=clone, env=surroundings, capture_output=True, text=True, timeout=60
    )


def test_it_says_how_much_comes_and_shows_the_large_downloads(clone: Path) -> None:
    done = prepare(clone)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines[0].startswith("lingshu: installs 2 locked packages into .venv, once: 2.5 GB of disk")
    assert "GB are free here." in lines[0]
    assert "  torch-2.13.0-cp311-none-linux_x86_64.whl (899.8 MB)" in lines
    assert "  all here, unpacking" in lines
    assert "six-1.17.0" not in done.stderr
    assert lines[-1].startswith("lingshu: installed, ")


def test_the_second_time_costs_nothing_and_says_nothing(clone: Path) -> None:
    prepare(clone)
    assert prepare(clone).stderr == ""


def test_a_pip_that_fails_ends_the_script_with_its_word(clone: Path) -> None:
    done = prepare(clone, CODE="1", FAULT="No space left on device")
    assert done.returncode == 1
    assert "ERROR: No space left on device" in done.stderr
    assert "lingshu: installed" not in done.stderr
    assert not (clone / ".venv" / ".installed").exists()
