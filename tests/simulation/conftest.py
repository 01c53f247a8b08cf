"""Passes that these tests trace are kept in a folder of theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingshu_train import environment


@pytest.fixture(autouse=True)
def passes_kept_apart(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "cache", lambda: shared / "cache")
