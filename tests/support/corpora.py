"""Corpora of one card each: what is asked for, and what is written, byte by byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lingshu_train.data.corpus.specification import Specification
from lingshu_train.model import shape

MODEL = shape.of("qwen2_5_vl")
BUDGET = MODEL.published_budget(min_pixels=784, max_pixels=12544)


def specification(root: Path, *, cards: tuple[str, ...] = ("pmc_vqa",), **changes: object) -> Specification:
    return Specification(
        **{
            "splits": tuple((name, (("train", "train"),)) for name in cards),
            "data_root": str(root),
            "asked": (),
            "image_size": 56,
            "least_side": 1,
            "budget": BUDGET,
            "seed": 0,
            "context": MODEL.context,
            "control": MODEL.control,
            **changes,
        }
    )


def contents(folder: Path) -> dict[str, str]:
    """sha256 of every file but the index, whose bytes are SQLite's."""
    files = (path for path in folder.iterdir() if path.suffix != ".sqlite")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
