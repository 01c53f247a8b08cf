"""The quickstart with both profiles of curation in its pipeline, by the command: what they decide, and where it is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import small_run

from lingshu_train.data.corpus import corpus
from lingshu_train.hub import model_card
from lingshu_train.runs import funnel, manifest
from lingshu_train.runs.manifest import Manifest

RECIPE = """
defaults:
  - quickstart
  - curate/lingshu_compat@stages.compat
  - curate/recommended@stages.clean
  - _self_
name: curated
output: run
pipeline: [data, compat, clean]
stages:
  data:
    cards: [package_mahotas, package_pydicom_data]
    image_size: 84
    questions:
      caption: {train: 40, held_out: 4}
      lesion_count: {train: 20, held_out: 4}
  compat: {corpus: data}
  clean: {corpus: compat}
"""
OTHERS = ("modality", "body_part", "plane", "lesion_present", "lesion_size", "lesion_shade", "bright_share")


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that went through both."""
    root = tmp_path_factory.mktemp("curated")
    (root / "curated.yaml").write_text(RECIPE, encoding="utf-8")
    leave = [f"~stages.data.questions.{task}" for task in OTHERS]
    command = [sys.executable, "-m", "lingshu_train", "run", "curated.yaml", *leave]
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, env=small_run.environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    return root / "run"


def made(run: Path, stage: str) -> Manifest:
    return manifest.read(next(run.glob(f"{stage}-*")))


def test_the_papers_rule_on_captions_is_told_with_each_row(curated: Path) -> None:
    compat = made(curated, "compat")
    table = pq.read_table(compat.stage.path / "decisions.parquet").to_pylist()
    short = [line for line in table if line["reason"] == "fewer than 10 words"]
    before = corpus.load(next(curated.glob("data-*")) / "corpus")
    expected = [one.id for one in before.samples if one.task == "caption" and len(one.answer.split()) < 10]
    assert expected, "the quickstart's captions are short"
    assert [line["sample"] for line in short] == expected
    assert compat.results["samples"] == len(before) - len(expected)


def test_the_recommended_steps_go_on_with_what_is_left(curated: Path) -> None:
    compat, clean = made(curated, "compat"), made(curated, "clean")
    steps = funnel.steps(clean)
    assert [one.step for one in steps][-1] == "decontamination"
    assert steps[0].rows == compat.results["samples"]
    assert steps[-1].rows - steps[-1].dropped == clean.results["samples"]


def test_report_and_model_card_tell_the_funnel(curated: Path) -> None:
    page = (curated / "report.html").read_text(encoding="utf-8")
    assert 'id="curation"' in page
    assert "caption_length: fewer than 10 words" in page
    assert page.partition('id="curation"')[2].count('<img src="data:image') >= 1, "pictures of what went"
    cards = model_card._curated([made(curated, "compat"), made(curated, "clean")])
    assert "compat: left out: caption_length: fewer than 10 words (" in cards
    assert "clean: " in cards
