"""A recipe that synthesises, by the command: planned, stopped by its budget, gone on with, reported."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import teaching
from teaching import Asked, Reply

from lingshu_train.data.corpus import corpus

RECIPE = """
defaults:
  - quickstart
  - synthesize/synth_cot@stages.cot
  - _self_
name: synthesised
output: out
pipeline: [data, cot]
stages:
  data:
    cards: [package_pydicom]
    questions: {modality: {train: 24, held_out: 0}}
  cot:
    corpus: data
    teacher: {urls: ["URL"], model: scripted, parallel: 4, price_in: 1.0, price_out: 2.0}
    pipeline: {params: {draws: 1, blanks: 1}}
"""


OTHERS = (
    "caption",
    "body_part",
    "plane",
    "lesion_present",
    "lesion_count",
    "lesion_size",
    "lesion_shade",
    "bright_share",
)
LEAVE = [f"~stages.data.questions.{task}" for task in OTHERS]


def rule(asked: Asked) -> Reply:
    """It says CT, in whatever form; grey shows nothing."""
    if "Reasoning:" in asked.text:
        return json.dumps({"answer": "CT"})
    return teaching.trace("nothing" if teaching.is_blank(asked) else "CT")


@pytest.fixture
def teacher(tmp_path: Path) -> Iterator[teaching.Teacher]:
    with teaching.teaching(rule) as found:
        (tmp_path / "synthesised.yaml").write_text(RECIPE.replace("URL", found.url), encoding="utf-8")
        yield found


def lingshu(folder: Path, *words: str) -> Any:
    command = [sys.executable, "-m", "lingshu_train", *words]
    return subprocess.run(
        command, cwd=folder, env=os.environ, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.slow
def test_a_recipe_that_synthesises_by_the_command(tmp_path: Path, teacher: teaching.Teacher) -> None:
    stopped = lingshu(tmp_path, "run", "synthesised.yaml", *LEAVE, "stages.cot.budget.tokens=3000")
    assert stopped.returncode == 75, stopped.stderr
    assert re.search(r"stages\.cot\.budget\.tokens: [\d,]+ of 3,000 are spent; every reply", stopped.stderr)
    before = len(teacher.asked)
    planned = lingshu(tmp_path, "plan", "synthesised.yaml", *LEAVE)
    assert re.search(
        r"forecast about 24 rows: \d+ requests, .* \(as replies so far\), .* of the requests are answered",
        planned.stdout,
    )
    assert len(teacher.asked) == before
    done = lingshu(tmp_path, "run", "synthesised.yaml", *LEAVE)
    assert done.returncode == 0, done.stderr
    assert teacher.paid_twice == 0
    (folder,) = (tmp_path / "out").glob("cot-*")
    found = corpus.load(folder / "corpus").samples
    assert found and {one.answer for one in found} == {"CT"}
    assert len((folder / "files" / "train.jsonl").read_text(encoding="utf-8").splitlines()) == len(found)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for check in ("answer", "blind", "grounding"):
        assert check in page
    assert lingshu(tmp_path, "verify", "out").returncode == 0
