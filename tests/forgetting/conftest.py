"""A finished run that the tests of this room forget patients of: made once, and copied where a test changes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import withdrawing
from layouts import once


@pytest.fixture(scope="session")
def consented(shared: Path) -> Path:
    """The folder of a finished run, its recipe and its corpora."""
    return once(shared / "withdrawing", lambda root: withdrawing.run(withdrawing.recipe(root)))


@pytest.fixture
def own(consented: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(consented / "run", tmp_path / "run"))
