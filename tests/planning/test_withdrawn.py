"""Withdrawn rows name the stages that come to them, and no other; a file of them that is wrong is one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lingshu_train import cli
from lingshu_train.planning import plan, recipe
from lingshu_train.planning.plan import Plan
from lingshu_train.runs.withdrawn import Gone, Withdrawn, written

CORPORA = {"data": {"fingerprint": "f", "rows": "3,17-19"}}


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., Plan]:
    """The quickstart's plan without some rows, or without what a document says."""

    def build(**document: object) -> Plan:
        path = tmp_path / "withdrawn.json"
        path.write_text(json.dumps({"corpora": CORPORA, **document}))
        return plan.build(recipe.load("quickstart", [f"+withdrawn={path}"]))

    return build


def contents(made: Plan) -> dict[str, str]:
    return {stage.name: stage.content for stage in made.stages}


def test_stages_that_read_the_corpus_are_renamed_and_the_corpus_is_not(planned: Callable[..., Plan]) -> None:
    before, after = contents(plan.build(recipe.load("quickstart"))), contents(planned())
    assert after["data"] == before["data"]
    assert all(after[name] != before[name] for name in before if name != "data")


def test_a_stage_that_was_found_untouched_keeps_its_name_and_so_do_those_that_read_only_it(
    planned: Callable[..., Plan],
) -> None:
    before = contents(plan.build(recipe.load("quickstart")))
    after = contents(planned(untouched=[before[name] for name in ("base", "shallow", "deep")]))
    assert {name for name in before if after[name] == before[name]} == {"data", "base", "shallow", "deep"}


def test_other_rows_give_other_names_and_each_stage_is_told_its_own(planned: Callable[..., Plan]) -> None:
    one, other = planned(), planned(corpora={"data": {"fingerprint": "f", "rows": "3,17-18"}})
    assert contents(one)["rl"] != contents(other)["rl"]
    told = {stage.name: dict(stage.withdrawn) for stage in one.stages}
    assert told["rl"]["data"].numbers.tolist() == [3, 17, 18, 19]
    assert told["data"] == told["export"] == {}


def test_a_plan_says_what_it_goes_without(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "withdrawn.json"
    path.write_text(json.dumps({"corpora": CORPORA}))
    assert cli.main(["plan", "quickstart", f"+withdrawn={path}"]) == 0
    printed = capsys.readouterr().out
    assert "without 4 rows of data: their places yield nothing" in printed
    assert printed.count("   without  4 rows of data") == 6, "data itself and the export read none"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"corpora": {}}, "corpora: must have at least 1 item"),
        ({"corpora": {"nowhere": {"fingerprint": "f", "rows": "1"}}}, "no stage 'nowhere' in this pipeline"),
        ({"corpora": {"data": {"fingerprint": "f", "rows": "3,2"}}}, "must be ascending row numbers"),
        ({"corpora": {"data": {"fingerprint": "f", "rows": ""}}}, "must be ascending row numbers"),
        ({"corpora": {"data": {"fingerprint": "f", "rows": "5-4"}}}, "must be ascending row numbers"),
        ({"corpora": CORPORA, "more": 1}, "more: unknown key"),
    ],
)
def test_a_document_that_is_wrong_is_one_line(
    document: object, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "withdrawn.json"
    path.write_text(json.dumps(document))
    assert cli.main(["plan", "quickstart", f"+withdrawn={path}"]) == 78
    assert says in capsys.readouterr().err


def test_a_document_that_is_not_there_is_missing_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "quickstart", "+withdrawn=none.json"]) == 66
    assert "withdrawn: none.json: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("rows", [[0], [3, 17, 18, 19], [0, 1, 2], [5, 7, 9], []])
def test_rows_are_written_as_stretches_and_read_again(rows: list[int]) -> None:
    text = written(rows)
    if rows:
        assert Gone(fingerprint="", rows=text).numbers.tolist() == rows
        assert len(Gone(fingerprint="", rows=text)) == len(rows)
    assert text == "" or len(text) <= 2 * len(rows) + 5


def test_a_stage_passes_over_rows_unless_it_is_known_never_to_come_to_one() -> None:
    made = Withdrawn(corpora={"data": Gone(fingerprint="f", rows="1")}, untouched=("known",))
    assert list(made.of(("data", "base"), "other")) == ["data"]
    assert made.of(("data", "base"), "known") == {}
    assert made.of(("base",), "other") == {}
    assert np.array_equal(made.of(("data",), "x")["data"].numbers, [1])
