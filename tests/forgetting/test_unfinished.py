"""A stage that was killed before it came to a withdrawn row would come to it yet, and what was left out was come to."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import withdrawing
from layouts import once

from lingshu_train import cli
from lingshu_train.forgetting import deciding, going_on
from lingshu_train.runs import ledger, manifest
from lingshu_train.runs.withdrawn import COLUMN
from lingshu_train.tracing import checking

pytestmark = pytest.mark.slow

KILLED_AT = 5
"""A step of ten, after the checkpoint of step 4."""


@pytest.fixture(scope="module")
def killed(shared: Path) -> Path:
    """The folder of a run of which the one training stage was killed."""

    def make(root: Path) -> None:
        append = ledger.Ledger.append

        def and_gone(self: ledger.Ledger, number: int, values: dict[str, ledger.Column]) -> None:
            append(self, number, values)
            if number == KILLED_AT and self.path.parent.name.startswith("plain"):
                raise RuntimeError("gone")

        path = withdrawing.recipe(root, stages=("words", "data", "base", "plain"))
        with pytest.MonkeyPatch.context() as patch, withdrawing.in_this_process():
            patch.setattr(ledger.Ledger, "append", and_gone)
            assert cli.main(["run", str(path)]) == 70

    return once(shared / "killed", make) / "run"


@pytest.fixture
def own(killed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(killed, tmp_path / "run"))


def planned(folder: Path, patient: str) -> deciding.Forgetting:
    return deciding.plan(folder, deciding.Wish(what="patient", named=patient))


def patients(folder: Path) -> tuple[str, str]:
    """One whose rows have come, and one whose rows have not and will."""
    came, later = [], []
    for number in range(24):
        first = planned(folder, f"scan-patient-{number}").request.first["plain"]
        (came if 0 < first <= KILLED_AT else later).append(f"scan-patient-{number}")
        if came and later:
            return came[0], later[0]
    raise AssertionError("rows of 24 patients, and all came in five steps, or none did")


def test_rows_that_a_killed_stage_has_not_come_to_are_passed_over_when_it_goes_on(own: Path) -> None:
    _, later = patients(own)
    made = planned(own, later)
    assert made.request.first["plain"] == KILLED_AT + 1, "not yet, and not never"
    assert made.foreseen["plain"] == going_on.Taken(how="goes on", step=4)
    assert withdrawing.forget(own, "--patient", later) == 0
    new = next(own.with_name("run-without").glob("plain-*"))
    assert manifest.read(new).stage.withdrawn["data"].rows == made.withdrawn.corpora["data"].rows
    lost = [line.get(COLUMN, 0) for line in ledger.steps(new)]
    assert sum(lost[:4]) == 0 < sum(lost[4:]), "what the rows came to is told, step by step"


def test_rows_of_the_first_step_mean_the_whole_stage_from_its_base(own: Path, tmp_path: Path) -> None:
    first = {f"scan-patient-{n}": planned(own, f"scan-patient-{n}").request.first["plain"] for n in range(24)}
    patient = next(name for name, step in first.items() if step == 1)
    assert planned(own, patient).foreseen["plain"] == going_on.Taken(how="anew")
    assert withdrawing.forget(own, "--patient", patient) == 0
    target = own.with_name("run-without")
    told = {one.stage: one for one in withdrawing.certified(target).chain}
    assert told["base"].how == "the same", "what it goes on from"
    assert (told["plain"].how, told["plain"].first_use, told["plain"].again) == ("anew", 1, 10)
    assert ledger.steps(next(target.glob("plain-*")))[0][COLUMN] >= 1
    withdrawing.run(target / deciding.RECIPE, f"output={tmp_path / 'straight'}")
    assert all(withdrawing.same(target, tmp_path / "straight").values())


def test_a_batch_that_was_left_out_was_come_to(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the row it may well have been finite, and moved weights."""
    came, _ = patients(own)
    first = planned(own, came).request.first["plain"]
    lines, _ = checking.written(planned(own, came).read[3])
    left_out = (lines, np.arange(1, KILLED_AT + 1))
    monkeypatch.setattr(checking, "written", lambda stage: left_out)
    assert planned(own, came).request.first["plain"] == first
