"""What the Lingshu paper printed of its own and of other models, in percent: rows to read ours beside, not measured here."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from pydantic import Field

from lingshu_train.errors import DataError
from lingshu_train.schema import Strict, parse


class Row(Strict):
    """One model of the paper: accuracy and ROUGE-L by benchmark, and the means of its two tables."""

    accuracy: dict[str, float]
    means: dict[str, float] = Field(default_factory=dict)
    rouge_l: dict[str, float] = Field(default_factory=dict)


class Published(Strict):
    """The rows by the name of their model, and where they were read."""

    source: str
    models: dict[str, Row]


@cache
def rows() -> Published:
    """All of them."""
    path = Path(__file__).with_name("published.json")
    return parse(Published, json.loads(path.read_text(encoding="utf-8")), where=str(path), error=DataError)
