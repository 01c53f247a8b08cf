"""Prepared corpora, byte by byte."""

from __future__ import annotations

import hashlib
from pathlib import Path


def contents(folder: Path) -> dict[str, str]:
    """sha256 of every file but the index, whose bytes are SQLite's."""
    files = (path for path in folder.iterdir() if path.suffix != ".sqlite")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
