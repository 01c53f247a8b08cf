"""Rows and pictures to curate, and what was decided of them: a real corpus, the real stage."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import tiny
from PIL import Image

from lingshu_train.record import Sample
from lingshu_train.runs.stage import Stage

Row = tuple[Sample, Sequence[Image.Image]]


def row(name: str, *pictures: Image.Image, **fields: Any) -> Row:
    """A row of the card made_up; a question that a rule can judge where nothing else is said."""
    about = {
        "card": "made_up",
        "split": "train",
        "task": "modality",
        "question": "Which modality?",
        "question_type": "short",
        "answer": "CT",
        "modality": "ct",
    }
    return Sample(id=name, **{**about, **fields}), pictures


def caption(name: str, text: str, *pictures: Image.Image, **fields: Any) -> Row:
    """A row whose answer no rule can judge."""
    return row(name, *pictures, question="Describe.", question_type="free", answer=text, **fields)


def scene(seed: int, side: int = 128) -> Image.Image:
    """A picture of soft spots, of which two seeds look nothing alike."""
    draw = np.random.default_rng(seed)
    rough = Image.fromarray(draw.integers(0, 256, (7, 7), dtype=np.uint8))
    return rough.resize((side, side), Image.Resampling.BICUBIC)


def again(picture: Image.Image, quality: int) -> Image.Image:
    """The picture as a JPEG stores it."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert(picture.mode)


def corpus(folder: Path, rows: Sequence[Row]) -> Path:
    """A finished corpus stage of these rows."""
    tiny.write_corpus(folder / "corpus", rows)
    return folder


def stage(root: Path, steps: Sequence[dict[str, Any]], *, parents: dict[str, Path], **keys: Any) -> Stage:
    """A curate stage `clean` below `root` over the parent `raw`."""
    config = {"kind": "curate", "corpus": "raw", "steps": list(steps), "most_withdrawn": 1.0, **keys}
    return tiny.make_stage(root, "clean", config, parents=parents)


def decided(
    root: Path, rows: Sequence[Row], *steps: dict[str, Any], **others: Sequence[Row]
) -> list[dict[str, Any]]:
    """The decisions over `rows`. `known` and `benchmarks` are rows of other corpora."""
    parents = {"raw": corpus(root / "raw", rows)}
    parents |= {name: corpus(root / name, theirs) for name, theirs in others.items()}
    made = stage(root, steps, parents=parents, **{name: [name] for name in others})
    tiny.run_here(made)
    return table(made)


def table(made: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(made.path / "decisions.parquet").to_pylist()
    return found


def named(found: Sequence[dict[str, Any]], action: str = "drop") -> dict[str, str]:
    """Sample and evidence of each row that had this decided."""
    return {line["sample"]: line["evidence"] for line in found if line["action"] == action}
