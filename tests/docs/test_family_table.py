"""The table of families against tests says what the tests' own parameters say."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import families
import pytest

ROOT = Path(__file__).parents[2]
ALL = set(families.MODELS) - {"toy_internvl"}
PAGE = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
TABLE = PAGE.split("## Which test holds which family")[1].split("\n## ")[0]
ROWS = [
    line.strip("| ").split(" | ") for line in TABLE.splitlines() if "`tests/" in line and line.startswith("|")
]
FIRST = "qwen2_5_vl"
"""What a test is about that names no family."""


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"read_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    found = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def held(path: Path) -> set[str]:
    """The families that a test's fixtures go through; of one without such fixtures, those whose tiny models it names."""
    text = path.read_text(encoding="utf-8")
    own = re.findall(r"^@pytest\.fixture\(.*params=", text, flags=re.MULTILINE)
    if own:
        known = module(path)
        fixtures = (getattr(known, name) for name in ("kit", "line") if hasattr(known, name))
        return {name for one in fixtures for name in one._fixture_function_marker.params}
    if "kit: Kit" in text:
        return set(ALL)
    if path.parent.parent.name == "families":
        return {path.parent.name}
    others = {name for name in ALL if f"model=tiny_{name}" in text}
    return others | {FIRST}


def test_there_are_rows() -> None:
    assert len(ROWS) >= 10 and all(len(row) == 3 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_a_row_names_the_families_that_its_tests_go_through(row: list[str]) -> None:
    _, tests, told = row
    paths = [ROOT / path for path in re.findall(r"`(tests/[^`]+)`", tests)]
    assert paths and all(path.is_file() for path in paths), paths
    found = set().union(*map(held, paths))
    assert found == (ALL if told == "all" else set(re.findall(r"`(\w+)`", told)))
