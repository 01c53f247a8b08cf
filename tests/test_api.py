"""The Python API: its names are those that docs/api.md lists, it costs nothing to import, and its mistakes are the verbs'."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import made_up_run
import pytest
from PIL import Image

import lingshu_train as lingshu
from lingshu_train import api
from lingshu_train.errors import DataError, MissingInput, RecipeError, UsageError

ROOT = Path(__file__).parents[1]
FUNCTIONS = [name for name in api.__all__ if inspect.isfunction(getattr(api, name))]
QUESTION = lingshu.Sample(
    id="1",
    card="mine",
    split="test",
    task="side",
    question="Which side?",
    question_type="short",
    answer="left",
    images=("scan.png",),
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made_up_run.build(tmp_path / "run", questions=12)


def test_the_names_are_the_same_in_the_package_its_stub_and_its_page() -> None:
    stub = (ROOT / "lingshu_train" / "__init__.pyi").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert re.findall(r"import (\w+) as \1$", stub, re.M) == api.__all__ == sorted(api.__all__)
    assert sorted(re.findall(r"^\| `(\w+)[(`]", page, re.M)) == api.__all__
    assert all(getattr(lingshu, name) is getattr(api, name) for name in api.__all__)
    assert set(api.__all__) <= set(dir(lingshu))
    with pytest.raises(AttributeError, match="has no attribute 'plann'"):
        lingshu.plann  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_typed_and_says_what_it_does(name: str) -> None:
    function = getattr(api, name)
    assert function.__doc__ and all(
        parameter.annotation is not inspect.Parameter.empty
        for parameter in inspect.signature(function).parameters.values()
    )


def test_importing_and_planning_load_no_heavy_package(tmp_path: Path) -> None:
    code = (
        "import sys, lingshu_train as lingshu\n"
        "first = {name.partition('.')[0] for name in sys.modules}\n"
        "lingshu.plan('quickstart'); lingshu.cards(access='open'); lingshu.judge('left', answer='left', question_type='short')\n"
        "then = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(first & {'torch', 'hydra', 'pydantic', 'numpy'}), sorted(then & {'torch', 'transformers', 'trl'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[] []\n", done.stderr


def test_a_plan_is_the_page_of_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    from lingshu_train import cli

    planned = lingshu.plan("lingshu_7b", "seed=1")
    assert cli.main(["plan", "lingshu_7b", "seed=1"]) == 0
    assert str(planned) + "\n" == capsys.readouterr().out
    assert planned.recipe == lingshu.recipe("lingshu_7b", "seed=1") != lingshu.recipe("lingshu_7b")
    assert planned.missing and all("lingshu_7b" not in line for line in planned.missing)
    assert "lingshu_7b" in lingshu.recipes()


def test_records_are_frozen(run: Path) -> None:
    (state, *_), (files, *_) = lingshu.status(run), lingshu.verify_run(run)
    for record, field in (
        (state, "name"),
        (files, "files"),
        (lingshu.plan("quickstart"), "missing"),
        (QUESTION, "answer"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, field, None)


def test_a_run_tells_its_states_its_files_and_what_it_measured(run: Path) -> None:
    states = lingshu.status(run)
    assert {each.state for each in states} == {"done"} and all(each.folder.is_dir() for each in states)
    assert all(each.whole and each.files for each in lingshu.verify_run(run))
    measured = lingshu.results(run).models
    assert list(measured) and all("all" in tasks for tasks in measured.values())
    assert lingshu.write_report(run) == run / "report.html"
    (evaluated,) = [each.folder for each in states if each.name == "evaluate"]
    (evaluated / "results.json").write_bytes(b"other")
    (damaged,) = [each for each in lingshu.verify_run(run) if not each.whole]
    assert (damaged.name, damaged.damaged) == ("evaluate", ("results.json",))


def test_a_stage_that_was_made_from_another_than_the_one_here_is_not_whole(run: Path) -> None:
    (parent,) = [each.folder for each in lingshu.status(run) if each.name == "shallow"]
    path = parent / "manifest.json"
    path.write_text(path.read_text().replace('"seconds": 41.5', '"seconds": 41.6'))
    assert all(each.whole for each in lingshu.verify_run(run)), "made again, to the same bytes"
    path.write_text(path.read_text().replace('"content": "', '"content": "f'))
    torn, *_ = [each for each in lingshu.verify_run(run) if each.broken]
    assert torn.name == "deep" and not torn.whole and "another shallow" in torn.broken[0]


def test_a_response_is_judged_as_rewards_judge_it() -> None:
    assert lingshu.judge(
        "<answer>12 mm</answer>", answer="1.2 cm", question_type="numeric", policy="strict"
    ).correct
    assert not lingshu.judge(
        "I see 12 mm.", answer="1.2 cm", question_type="numeric", policy="strict"
    ).correct
    both = {"A": "left", "B": "right"}
    assert lingshu.judge("B", answer="B", question_type="mcq", options=both).correct
    with pytest.raises(UsageError, match="question_type: 'chioce' is none of: mcq, "):
        lingshu.judge("B", answer="B", question_type="chioce")
    with pytest.raises(UsageError, match="policy: 'kind' is none of: strict, lenient"):
        lingshu.judge("B", answer="B", question_type="short", policy="kind")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="answer: "):
        lingshu.judge("B", answer="C", question_type="mcq", options=both)


def test_a_file_of_answers_is_counted_and_left_as_it_is(tmp_path: Path) -> None:
    row = {
        "id": "1",
        "question": "?",
        "question_type": "yes_no",
        "answer": "no",
        "response": "<answer>no</answer>",
    }
    file = tmp_path / "answers.jsonl"
    file.write_text(json.dumps(row) + "\n", encoding="utf-8")
    before = file.read_bytes()
    tally = lingshu.score(file)
    assert (tally.rows, tally.correct) == (1, 1) and file.read_bytes() == before


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda run: lingshu.plan("nosuch"), RecipeError, "unknown recipe 'nosuch'"),
        (lambda run: lingshu.recipe(run / "none.yaml"), MissingInput, "none.yaml: no such recipe file"),
        (lambda run: lingshu.status(run.parent), MissingInput, "not a run folder"),
        (lambda run: lingshu.verify_run(run.parent), MissingInput, "not a run folder"),
        (lambda run: lingshu.results(run.parent), MissingInput, "not a run folder"),
        (lambda run: lingshu.card("slak"), RecipeError, "nearest of the .* slake"),
        (lambda run: lingshu.cards(access="opn"), UsageError, "access: 'opn' is none of: open, gated"),
        (lambda run: lingshu.cards(modality="scope"), UsageError, "'scope' is none of"),
        (lambda run: lingshu.score(run / "none.jsonl"), MissingInput, "none.jsonl"),
        (lambda run: lingshu.evaluate(run, "grpo", []), UsageError, "samples: none"),
        (
            lambda run: lingshu.evaluate(run, "grpo", [QUESTION]),
            MissingInput,
            "pictures: 'scan.png' is not there",
        ),
        (lambda run: asked(run, "prepare"), UsageError, "stage 'prepare' leaves no model; these do: .*grpo"),
        (lambda run: asked(run, "nosuch"), MissingInput, "no stage 'nosuch' in this run"),
    ],
)
def test_a_mistake_is_one_line_of_the_verbs_class(call, error, says, run: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(lingshu.LingshuError, match=says) as raised:
        call(run)
    assert type(raised.value) is error and "\n" not in str(raised.value)


def asked(run: Path, stage: str) -> object:
    return lingshu.evaluate(run, stage, [QUESTION], {"scan.png": Image.new("RGB", (56, 56))})
