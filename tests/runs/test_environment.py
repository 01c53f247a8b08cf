"""What a manifest says of the code that ran: the commit of lingshu's own checkout, and whether what is read from it changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lingshu_train

CODE = (
    "from lingshu_train.runs import manifest\n"
    "ran = manifest.environment(device='cpu', processor='', world_size=1, threads=1)\n"
    "print(ran.commit, ran.uncommitted_changes)"
)


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def told(folder: Path) -> list[str]:
    """Commit and state, as the package in `folder` writes them."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, cwd="/", env=environment, check=True, capture_output=True, text=True)
    return done.stdout.split()


def copy(folder: Path) -> Path:
    shutil.copytree(
        Path(lingshu_train.__file__).parent,
        folder / "lingshu_train",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = copy(tmp_path / "checkout")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "all")
    return folder


def test_data_recipes_and_cards_of_the_users_change_no_checkout(checkout: Path) -> None:
    for name in ("data/mine/scan.png", "mine.yaml", "project/data_cards/mine.md", "runs/first/run.json"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("mine", encoding="utf-8")
    assert told(checkout) == [git(checkout, "rev-parse", "HEAD"), "False"]


@pytest.mark.parametrize(
    "name", ["lingshu_train/dist.py", "lingshu_train/rewards/new.py", "recipes/new.yaml"]
)
def test_a_changed_or_new_file_that_is_read_is_said(checkout: Path, name: str) -> None:
    (checkout / name).parent.mkdir(exist_ok=True)
    with (checkout / name).open("a", encoding="utf-8") as stream:
        stream.write("# changed\n")
    assert told(checkout) == [git(checkout, "rev-parse", "HEAD"), "True"]


def test_a_repository_of_the_users_is_not_taken_for_ours(tmp_path: Path) -> None:
    """An environment in a project, both below one .git."""
    git(tmp_path, "init", "-q")
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "mine")
    assert told(copy(tmp_path / ".venv" / "site-packages")) == ["False"]
