"""What the tests of rows share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from memory import room


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Room for the largest array that is read whole, and hardly more."""
    with room(2**29):
        yield
