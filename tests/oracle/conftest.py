"""What the tests against the oracle share: rows, a random model, a taught one. Every run is made once."""

from __future__ import annotations

from pathlib import Path

import material
import pytest
from layouts import once


@pytest.fixture(scope="session")
def given(shared: Path) -> material.Material:
    return material.Material(once(shared / "oracle", material.draw))
