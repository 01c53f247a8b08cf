"""The paper's recipe from end to end on the publishers' own trees: no set stops a stage, and every stage reads all its cards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from published import library

from lingshu_train.data.cards import card as cards
from lingshu_train.planning import recipe
from lingshu_train.runs import manifest

pytestmark = pytest.mark.slow

SMALL = (
    "model=tiny",
    "~model.build",
    "cluster=local",
    *(f"stages.{name}.loader_workers=0" for name in ("shallow", "deep", "instruct")),
    # Some trees hold a row that has to be refused, which is a large share of two or three.
    *(
        f"stages.{name}.most_refused=0.6"
        for name in ("shallow_data", "deep_data", "instruct_data", "rl_data")
    ),
    "+stages.benchmarks.most_refused=0.6",
    *(
        f"stages.rl.{key}"
        for key in ("group_size=2", "rollout_prompts=4", "update_prompts=2", "save_every=2")
    ),
    *(f"stages.rl.{key}" for key in ("selection.size=8", "max_completion=6", "epochs=null")),
    "+stages.rl.steps=2",
    "stages.evaluate.models=[rl]",
    "stages.evaluate.max_completion=6",
)
"""A model of 0.1 M parameters, few steps; all else as the paper's recipe has it."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run."""
    root = tmp_path_factory.mktemp("paper")
    blocks = recipe.load("lingshu_7b").stages
    names = dict.fromkeys(name for block in blocks for name in block.config.card_names)
    with pytest.MonkeyPatch.context() as patch:
        data = library.stocked(names, root, patch)
    base = tiny_model.build(root / "base")
    chosen = [*SMALL, f"model.base={base}", f"data_root={data}", f"output={root / 'run'}"]
    done = subprocess.run(
        [sys.executable, "-m", "lingshu_train", "run", "lingshu_7b", *chosen],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=root,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return root / "run"


def told(run: Path, stage: str) -> dict[str, Any]:
    (folder,) = run.glob(f"{stage}-*")
    return dict(manifest.read(folder).results)


def test_every_card_of_the_paper_gives_its_stage_rows(run: Path) -> None:
    for block in recipe.load("lingshu_7b").stages:
        if block.config.role == "corpus":
            results = told(run, block.name)
            assert sorted(results["cards"]) == sorted(block.config.card_names), block.name
            assert all(results["cards"].values())


def test_every_supervised_stage_says_what_it_taught_of_each_card(run: Path) -> None:
    for stage, data in (("shallow", "shallow_data"), ("deep", "deep_data"), ("instruct", "instruct_data")):
        taught, held = told(run, stage)["taught"], told(run, data)["cards"]
        assert set(taught) <= set(held)
        # Of a small share of an epoch less than one row may be left.
        assert all(one["answers"] >= one["rows"] and one["tokens"] > one["taught"] for one in taught.values())
    dialogues = told(run, "instruct")["taught"]["llava_1_5_instruct"]
    assert dialogues["answers"] > dialogues["rows"], "all answers of a dialogue"


def test_benchmark_figures_stand_by_card_with_their_leaks(run: Path) -> None:
    (folder,) = run.glob("evaluate-*")
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    measured = results["cards"]["rl"]
    choices = [
        name for name in told(run, "benchmarks")["cards"] if "mcq" in cards.load(name).lingshu.answer_type
    ]
    assert choices and set(choices) <= set(measured)
    assert measured["slake_test"]["leaked"] == measured["slake_test"]["n"] > 0
