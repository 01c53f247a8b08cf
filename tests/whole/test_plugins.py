"""Adding is one file or one folder: a kind, a curation step, a metric, a tracker and an engine of the user's own, together.

A model family of one's own goes through the same in tests/whole/test_families.py.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from lingshu_train import naming, rollouts
from lingshu_train.errors import RecipeError
from lingshu_train.record import Prompt, Sampling
from lingshu_train.stages import _kinds as kinds

PLUGINS = Path(__file__).parents[1] / "support" / "plugins"
ROOT = Path(__file__).parents[2]
RECIPE = """
defaults: [{{model: tiny}}, {{cluster: local}}, _self_]
name: mine
title: A kind of one's own
seed: 0
output: {output}
data_root: data
trackers: []
pipeline: [data, clean, base, mine, evaluate, export]
stages:
  data:
    kind: prepare
    cards: [package_pydicom, package_nilearn]
    questions: {{modality: {{train: 12, held_out: 4}}}}
  clean: {{kind: curate, corpus: data, steps: [{{name: exact_duplicates}}, {{name: short_questions}}]}}
  base: {{kind: build, corpus: clean}}
  mine: {{kind: plain_sgd, base: base, corpus: clean, rate: 0.1, steps: 5}}
  evaluate: {{kind: evaluate, models: [base, mine], corpus: clean, max_completion: 4}}
  export: {{kind: export, model: mine}}
"""


def lingshu(*arguments: str, plugins: str = str(PLUGINS)) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "LINGSHU_PLUGINS": plugins, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "lingshu_train", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE.format(output=tmp_path / "run"), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", naming.components(kinds.PACKAGE))
def test_every_kind_says_what_it_is(kind: str) -> None:
    config = kinds.config_class(kind)
    for name in ("role", "method", "outputs"):
        assert getattr(config, name, ""), f"stages/{kind}/config.py: Config.{name}"
    assert config.model_fields["kind"].annotation == Literal[kind]  # type: ignore[valid-type]


def test_a_kind_of_ones_own_is_planned(recipe: Path) -> None:
    done = lingshu("plan", str(recipe))
    assert done.returncode == 0, done.stderr
    block = done.stdout[done.stdout.index("4. mine (plain_sgd): to do") :]
    assert "   texts    every training text of clean, one a step\n" in block
    assert re.search(r"   trains   language_model [\d.]+ K at 0.1; frozen: vision_tower, merger\n", block)
    assert "   settings base=base, rate=0.1, steps=5\n" in block


def test_without_the_plugin_the_kind_is_unknown_and_the_known_ones_are_listed(recipe: Path) -> None:
    done = lingshu("plan", str(recipe), plugins="")
    assert done.returncode == RecipeError.exit_code
    assert done.stderr == (
        "lingshu: stages.mine.kind: unknown stage 'plain_sgd'; stages/ has: "
        f"{', '.join(naming.components(kinds.PACKAGE))}\n"
    )


def test_a_plugin_folder_that_is_not_there_is_said(recipe: Path, tmp_path: Path) -> None:
    done = lingshu("plan", str(recipe), plugins=str(tmp_path / "gone"))
    assert (done.returncode, done.stderr) == (
        66,
        f"lingshu: LINGSHU_PLUGINS: {tmp_path / 'gone'}: no such folder\n",
    )


def test_a_plugin_may_not_take_the_name_of_a_kind_of_ours(recipe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plugins" / "stages" / "sft"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    done = lingshu("plan", str(recipe), plugins=str(tmp_path / "plugins"))
    assert done.returncode == 78
    assert "there is a component 'sft' already" in done.stderr


def test_the_code_of_a_plugin_names_the_stages(recipe: Path, tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    subprocess.run(["cp", "-r", str(PLUGINS), str(plugins)], check=True)
    before = lingshu("plan", str(recipe), plugins=str(plugins)).stdout
    code = plugins / "stages" / "plain_sgd" / "run.py"
    code.write_text(code.read_text() + "\n", encoding="utf-8")
    after = lingshu("plan", str(recipe), plugins=str(plugins)).stdout
    names = [re.findall(r"   folder   (\S+)", text) for text in (before, after)]
    assert len(names[0]) == 6
    assert not set(names[0]) & set(names[1])


@pytest.mark.parametrize(
    ("what", "room", "name"),
    [
        ("kind of stage", "stages", "plain_sgd"),
        ("curation step", "curate", "short_questions"),
        ("metric", "metrics", "answer_words"),
        ("engine", "rollouts", "parrot"),
        ("tracker", "trackers", "notebook"),
        ("model family", "model/families", "toy_internvl"),
    ],
)
def test_what_is_added_is_in_one_place(what: str, room: str, name: str) -> None:
    """And nothing of ours knows it: the component is found by its name alone."""
    assert [path.stem for path in (PLUGINS / room).iterdir() if path.stem == name] == [name], what
    ours = [path.read_text(encoding="utf-8") for path in Path(naming.__file__).parent.rglob("*.py")]
    assert len(ours) > 250
    assert not [text for text in ours if f'"{name}"' in text], "a component is found, never named"


def test_an_engine_of_ones_own_answers(plugins: None) -> None:
    with rollouts.start("parrot", {"word": "yes"}, where="test") as engine:
        prompt = Prompt(id="one", messages=[{"role": "user", "content": "Is it?"}])
        assert [one.text for one in engine.answer([prompt], Sampling(max_tokens=3))] == ["yes"]


@pytest.mark.slow
def test_all_of_ones_own_is_run_and_reported_and_the_kind_is_in_the_model_card(
    recipe: Path, tmp_path: Path
) -> None:
    done = lingshu("run", str(recipe), "trackers=[{name: notebook}]")
    assert done.returncode == 0, done.stderr
    assert "[4/6] mine: plain_sgd -> mine-" in done.stderr
    # The report needs no plugin: the run says for itself what its stages are.
    again = lingshu("report", str(tmp_path / "run"), plugins="")
    assert again.returncode == 0, again.stderr
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Plain descent" in page
    assert "Surprise of mine, 5 steps" in page
    assert "Pull: L2 norm of the gradient by optimizer step" in page
    assert "through mine: 6 of 6 stages done" in page
    card = next((tmp_path / "run").glob("export-*/export/README.md")).read_text(encoding="utf-8")
    assert "### mine (plain_sgd)" in card
    assert "| rate | 0.1 |" in card
    assert "- plain_sgd\n" in card
    run = tmp_path / "run"
    dropped = json.loads(next(run.glob("clean-*/manifest.json")).read_text())["results"]["dropped"]
    assert not dropped, "the drawn views differ, and their questions have words"
    measured = json.loads(next(run.glob("evaluate-*/results.json")).read_text())["models"]["mine"]["all"]
    assert measured["answer_words"] >= 0
    assert next((run / "trackers").glob("mine-*.txt")).read_text().endswith("done\n")
