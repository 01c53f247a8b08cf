"""A hub on loopback to push to and to download from, and keys to sign with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hub_keys
import pytest
from hub_server import READER, TOKEN, Hub, serve
from huggingface_hub import constants


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub that the client finds, and a home without anyone's real token."""
    with serve() as running:
        running.tokens = {TOKEN: ("ada", True), READER: ("ada", False)}
        monkeypatch.setattr(constants, "ENDPOINT", running.endpoint)
        template = running.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield running


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys as the help says to make them, one of them locked, and a certificate with its root."""
    return hub_keys.make(tmp_path_factory.mktemp("keys"))
