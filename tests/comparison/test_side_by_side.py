"""Runs side by side, on run folders made by hand: the values, the intervals, and what is said to differ."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import made_up_run
import pytest

from lingshu_train import cli, evaluation
from lingshu_train.comparison import page, side_by_side, text
from lingshu_train.errors import UsageError
from lingshu_train.record import Completion, Judged, Sample, Verdict
from lingshu_train.report import gains, gather
from lingshu_train.runs import results
from lingshu_train.runs.results import Results

ROOT = Path(__file__).parents[2]
Answers = Mapping[str, Sequence[bool]]
BEFORE: Answers = {"side": [True] * 38 + [False] * 12}
AFTER: Answers = {"side": [True] * 36 + [False] * 2 + [True] * 12}
"""Of 50 questions 36 are right in both, 12 gained and 2 lost: an example of Newcombe 1998 (Statist. Med. 17:2635)."""


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to copy."""
    return made_up_run.build(tmp_path_factory.mktemp("pattern") / "run", questions=3)


@pytest.fixture
def made(tmp_path: Path, pattern: Path) -> Callable[..., Path]:
    """Makes a run of a name, with these answers of each model and these changes in its stages."""

    def make(name: str, models: Mapping[str, Answers], *, picture: str = "", **changes: Any) -> Path:
        folder = tmp_path / name
        shutil.copytree(pattern, folder)
        place = next(folder.glob("evaluate-*"))
        for old in (place / "predictions").iterdir():
            old.unlink()
        tables = {}
        for model, answers in models.items():
            judged = [
                _judged(task, number, right, picture)
                for task, rights in answers.items()
                for number, right in enumerate(rights)
            ]
            results.write_predictions(place, model, judged)
            tables[model] = evaluation.table(judged)
        results.write(place, Results(models=tables))
        for file in [*folder.glob("*/stage.json"), *folder.glob("*/manifest.json")]:
            _change(file, changes)
        return folder

    return make


def _judged(task: str, number: int, right: bool, picture: str) -> Judged:
    sample = Sample(
        id=f"{task}/{number}",
        card="scans",
        split="held_out",
        task=task,
        question="Which side?",
        question_type="short",
        answer="left",
        images=(picture,) if picture else (),
    )
    verdict = Verdict(correct=right, status="right" if right else "wrong")
    return Judged(sample=sample, prompt="Which side?", completion=Completion(text="left"), verdict=verdict)


def _change(file: Path, changes: Mapping[str, Any]) -> None:
    """`seed`, `commit`, or keys of the configuration of the stage grpo."""
    data = json.loads(file.read_text(encoding="utf-8"))
    stage = data.get("stage", data)
    for key, value in changes.items():
        if key == "seed":
            stage["seed"] = value
        elif key == "commit":
            data.get("environment", {})["commit"] = value
        elif stage["name"] == "grpo":
            stage["config"][key] = value
    file.write_text(json.dumps(data), encoding="utf-8")


def test_the_same_questions_are_compared_in_pairs(made: Callable[..., Path]) -> None:
    found = side_by_side.compare([made("a", {"grpo": BEFORE}), made("b", {"grpo": AFTER})])
    (table,) = found.tables
    row = table.rows[-1]
    difference = row.differences[1]
    assert difference is not None and difference.paired and difference.n == 50
    interval = difference.interval
    assert [round(value, 4) for value in (interval.value, interval.low, interval.high)] == [
        0.2,
        0.0569,
        0.3404,
    ]
    assert [one.accuracy for one in row.measured if one] == [0.76, 0.96]
    assert "+20.0 (+5.7 to +34.0)*" in text.text(found)


def test_other_questions_under_the_same_ids_are_no_pairs(made: Callable[..., Path]) -> None:
    one, other = [True] * 48 + [False] * 32, [True] * 56 + [False] * 14
    first = made("a", {"grpo": {"side": one}}, picture="a" * 64)
    found = side_by_side.compare([first, made("b", {"grpo": {"side": other}}, picture="b" * 64)])
    difference = found.tables[0].rows[-1].differences[1]
    assert difference is not None and not difference.paired
    interval = difference.interval
    assert [round(value, 4) for value in (interval.value, interval.low, interval.high)] == [
        0.2,
        0.0524,
        0.3339,
    ]
    told = text.text(found)
    assert "(+5.2 to +33.4)*~" in told and "~ not the same questions" in told and "80/70" in told


def test_a_run_says_the_same_as_its_report(made: Callable[..., Path]) -> None:
    folder = made("a", {"instruct": BEFORE, "grpo": AFTER})
    view = gather.view(folder)
    found = side_by_side.compare([folder, folder])
    for table in found.tables:
        place = view.models.index(table.model)
        assert [row.measured[0] for row in table.rows] == [task.measured[place] for task in gains.tasks(view)]


def test_seeds_have_a_mean_and_a_spread(made: Callable[..., Path]) -> None:
    shares = {1: 60, 2: 70, 3: 80}
    runs = [
        made(f"seed{seed}", {"grpo": {"side": [True] * right + [False] * (100 - right)}}, seed=seed)
        for seed, right in shares.items()
    ]
    found = side_by_side.compare(runs)
    assert found.groups == ("A B C",)
    (spread,) = found.tables[0].rows[-1].spreads
    assert spread is not None
    assert (spread.mean, spread.least, spread.most) == (pytest.approx(0.7), 0.6, 0.8)
    assert spread.deviation == pytest.approx(0.1), "(0.1**2 + 0 + 0.1**2) / 2 is 0.1 squared"
    assert "70.0 ± 10.0 (60.0 to 80.0)" in text.text(found)


@pytest.mark.parametrize("change", [{"steps": 7}, {"commit": "1" * 40}])
def test_runs_that_differ_in_more_than_the_seed_have_no_common_mean(
    made: Callable[..., Path], change: dict[str, Any]
) -> None:
    runs = [made("a", {"grpo": BEFORE}, seed=1), made("b", {"grpo": AFTER}, seed=2, **change)]
    assert side_by_side.compare(runs).groups == ()


def test_what_differs_is_named_by_the_key_that_a_recipe_has(made: Callable[..., Path]) -> None:
    rates = {"language_model": 1e-3}
    runs = [
        made("a", {"grpo": BEFORE}),
        made("b", {"grpo": AFTER}, seed=2, learning_rate=rates, commit="1" * 40),
    ]
    settings, data, code = side_by_side.compare(runs).apart
    assert dict(settings.rows) == {
        "seed": ("1", "2"),
        "stages.grpo.learning_rate.language_model": ("0.002", "0.001"),
    }
    assert data.rows == ()
    assert dict(code.rows) == {"commit": ("0" * 40, "1" * 40)}


def test_a_key_that_one_run_lacks_is_shown_as_lacking(made: Callable[..., Path]) -> None:
    runs = [made("a", {"grpo": BEFORE}), made("b", {"grpo": AFTER}, group_size=8)]
    assert side_by_side.compare(runs).apart[0].rows == (("stages.grpo.group_size", ("–", "8")),)


def test_recipes_with_other_stages_are_compared_where_they_meet(made: Callable[..., Path]) -> None:
    found = side_by_side.compare(
        [made("a", {"instruct": BEFORE}), made("b", {"instruct": AFTER, "grpo": AFTER})]
    )
    rows = {row.name: row for row in found.overall}
    assert rows["grpo"].measured[0] is None and rows["grpo"].differences[1] is None
    assert rows["instruct"].differences[1] is not None


def test_runs_that_cannot_be_compared_are_one_line_each(
    made: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = made("a", {"grpo": BEFORE})
    unfinished = made_up_run.build(tmp_path / "unfinished", until="deep", questions=3)
    damaged = made("damaged", {"grpo": BEFORE})
    (damaged / "run.json").write_text("{", encoding="utf-8")
    assert cli.main(["compare", *map(str, (whole, unfinished, damaged, tmp_path / "gone"))]) == 66
    out = capsys.readouterr().out
    assert f"left out: {unfinished}: nothing is evaluated yet (prepare done, shallow done, deep done" in out
    assert "left out: " + str(damaged / "run.json") in out and f"{tmp_path / 'gone'}: no such folder" in out
    assert "76.0" in out


def test_no_run_that_can_be_read_is_the_fault_of_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 66
    assert capsys.readouterr().err.count("\n") == 1


def test_one_run_is_no_comparison(made: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="two runs or more"):
        side_by_side.compare([made("a", {"grpo": BEFORE})])


def test_an_unknown_model_names_those_there_are(made: Callable[..., Path]) -> None:
    runs = [made("a", {"grpo": BEFORE}), made("b", {"instruct": AFTER})]
    with pytest.raises(UsageError, match="no run has evaluated it; there are: grpo, instruct"):
        side_by_side.compare(runs, model="rl")


class _Page(HTMLParser):
    """The words of a page, and every address that it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def test_the_page_says_what_the_terminal_says_and_needs_no_other_file(made: Callable[..., Path]) -> None:
    runs = [made("a", {"grpo": BEFORE}), made("b<script>", {"grpo": AFTER}, seed=2, commit="1" * 40)]
    found = side_by_side.compare(runs)
    written = page.page(found)
    assert "b<script>" not in written, "whatever comes from a run is escaped"
    read = _Page()
    read.feed(written)
    assert read.addresses == []
    for line in text.text(found).splitlines():
        for number in line.split():
            if "." in number and number[0].isdigit():
                assert number in read.words, line


def test_the_table_has_every_number_once(made: Callable[..., Path], tmp_path: Path) -> None:
    runs = [made("a", {"instruct": BEFORE, "grpo": BEFORE}), made("b", {"instruct": BEFORE, "grpo": AFTER})]
    assert (
        cli.main(
            ["compare", *map(str, runs), "--csv", str(tmp_path / "t.csv"), "--html", str(tmp_path / "t.html")]
        )
        == 0
    )
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 2 * 2 * 2
    last = lines[-1]
    assert (last["model"], last["task"], last["n"], last["right"], last["paired"]) == (
        "grpo",
        "all",
        "50",
        "48",
        "yes",
    )
    assert float(last["difference"]) == pytest.approx(0.2)
    assert (tmp_path / "t.html").is_file()


def test_nothing_is_written_into_a_run_that_is_compared(
    made: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [made("a", {"grpo": BEFORE}), made("b", {"grpo": AFTER})]
    assert cli.main(["compare", *map(str, runs), "--csv", str(runs[0] / "run.json")]) == 73
    assert "lies in the run" in capsys.readouterr().err
    assert json.loads((runs[0] / "run.json").read_text(encoding="utf-8"))["recipe"] == "made_up"


def test_comparing_needs_no_torch(made: Callable[..., Path]) -> None:
    runs = [str(made("a", {"grpo": BEFORE})), str(made("b", {"grpo": AFTER}))]
    code = f"import sys\nfrom lingshu_train import cli\nassert cli.main(['compare', *{runs}]) == 0\nassert 'torch' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, stdout=subprocess.DEVNULL)
