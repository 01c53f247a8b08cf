"""The version names the rules: code and tables, wherever and whenever they were copied."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lingshu_train.verify import version
from lingshu_train.verify.release import FOLDER, RELEASE, fingerprint


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A copy of the verifier's folder, without bytecode."""
    return Path(shutil.copytree(FOLDER, tmp_path / "verify", ignore=shutil.ignore_patterns("__pycache__")))


def test_the_version_is_the_release_and_twelve_digits_of_the_hash() -> None:
    assert version() == f"{RELEASE}+{fingerprint(FOLDER)[:12]}"


CHANGES: dict[str, Callable[[Path], object]] = {
    "a rule": lambda folder: edit(folder / "types" / "mcq.py", "letter", "name"),
    "a table": lambda folder: edit(folder / "tables" / "words.json", '"nope"', '"nope", "naw"'),
    "a new module": lambda folder: (folder / "types" / "essay.py").write_text('"""Essays."""\n'),
    "a removed table": lambda folder: (folder / "tables" / "units.json").unlink(),
    "a renamed module": lambda folder: (folder / "types" / "mcq.py").rename(folder / "types" / "choice.py"),
    "two files with their contents swapped": lambda folder: swap(
        folder / "types" / "mcq.py", folder / "types" / "bbox.py"
    ),
}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def swap(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_other_rules_have_another_hash(rules: Path, change: Callable[[Path], object]) -> None:
    assert fingerprint(rules) == fingerprint(FOLDER)
    change(rules)
    assert fingerprint(rules) != fingerprint(FOLDER)


def test_times_bytecode_line_endings_and_hidden_files_do_not_count(rules: Path) -> None:
    for path in rules.rglob("*.py"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        os.utime(path, (1, 1))
    (rules / "__pycache__").mkdir()
    (rules / "__pycache__" / "verdict.cpython-311.pyc").write_bytes(b"\0")
    (rules / "types" / "._mcq.py").write_bytes(b"\0")
    assert fingerprint(rules) == fingerprint(FOLDER)


def test_another_process_in_another_folder_reports_the_version_of_the_rules_it_imports(
    tmp_path: Path,
) -> None:
    package = shutil.copytree(
        FOLDER.parent, tmp_path / "copy" / "lingshu_train", ignore=shutil.ignore_patterns("__pycache__")
    )
    assert told(FOLDER.parents[1], cwd=tmp_path) == version()
    assert told(package.parent, cwd=tmp_path) == version()
    edit(package / "verify" / "text" / "normal.py", "LIMIT = 400", "LIMIT = 300")
    assert told(package.parent, cwd=tmp_path) != version()


def told(root: Path, *, cwd: Path) -> str:
    program = "from lingshu_train.verify import version; print(version())"
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return found.stdout.strip()
