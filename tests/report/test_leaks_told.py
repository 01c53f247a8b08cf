"""Questions about training pictures are told wherever a score is shown."""

from __future__ import annotations

from pathlib import Path

import made_up_run
import pytest

from lingshu_train.hub import model_card
from lingshu_train.report import page, summary
from lingshu_train.runs import results
from lingshu_train.runs.results import ALL, CardAccuracy, Results

SAID = "scans: 75% of its questions ask about a training picture of "


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    """A finished run whose models were trained on pictures of three of four questions."""
    made_up_run.build(tmp_path / "run")
    (folder,) = (tmp_path / "run").glob("evaluate-*")
    measured = results.read(folder)
    cards = {}
    for model, tasks in measured.models.items():
        line = tasks[ALL].model_dump() | {"n": 4, "right": 2, "leaked": 3, "unseen": tasks[ALL].model_dump()}
        cards[model] = {"scans": CardAccuracy.model_validate(line)}
    results.write(folder, Results(models=measured.models, cards=cards))
    return tmp_path / "run"


def test_the_closing_table_ends_with_a_line_for_each_card_that_leaks(leaking: Path) -> None:
    assert summary.summary_table(leaking).splitlines()[-1].startswith(SAID)


def test_the_report_has_them_below_the_accuracies(leaking: Path) -> None:
    text = page.write(leaking).read_text(encoding="utf-8")
    assert "Questions about pictures that were trained on" in text and SAID in text


def test_a_model_card_does_not_call_such_questions_held_out(leaking: Path) -> None:
    (folder,) = leaking.glob("evaluate-*")
    measured = results.read(folder)
    told = model_card._results(measured, list(measured.models)[-1])
    assert f"- {SAID}" in told and "Held out means" not in told
    clean = model_card._results(Results(models=measured.models), list(measured.models)[-1])
    assert "Held out means" in clean


def test_models_that_leak_alike_share_a_line(leaking: Path) -> None:
    (folder,) = leaking.glob("evaluate-*")
    (line,) = results.read(folder).leaks
    assert ", ".join(results.read(folder).models) in line
