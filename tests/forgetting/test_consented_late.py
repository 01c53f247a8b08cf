"""Patients who consented recently come last in the first epoch of every kind of training, and little is run again without them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import withdrawing
import yaml
from layouts import once

from lingshu_train import cli
from lingshu_train.data.corpus import corpus, late
from lingshu_train.data.order.consented import ConsentedLate
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.forgetting import deciding, erasing
from lingshu_train.runs import ledger, manifest
from lingshu_train.runs import run as runs

LATE = ("scan-patient-5", "scan-patient-9", "scan-patient-18")
TRAINED = ("plain", "packed", "rl")
SINCE = "2026-03-01"


def table(path: Path, *, more: str = "") -> dict[str, str]:
    """A table of consents as a hospital has it, and the key of a recipe that names it."""
    days = {f"scan-patient-{n}": f"2025-0{n % 9 + 1}-11" for n in range(withdrawing.PATIENTS)}
    days |= dict.fromkeys(LATE, "2026-03-01 08:15:00")
    lines = "".join(f"{n},{patient},{day}\n" for n, (patient, day) in enumerate(days.items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"nr,pid,signed\n{lines}{more}", encoding="utf-8-sig")
    return {"file": str(path), "patient": "pid", "date": "signed", "since": SINCE}


@pytest.fixture(scope="session")
def dealt_late(shared: Path) -> Path:
    """A finished run whose three kinds of training go through one epoch, with late patients."""

    def make(root: Path) -> None:
        said = {"consented_late": table(root / "consent.csv"), "save_every": 2, "keep": 99}
        once_each: dict[str, Any] = {**said, "data": [{"corpus": "data"}], "steps": None, "epochs": 1}
        changes = {"plain": once_each, "packed": once_each, "rl": said}
        path = withdrawing.recipe(root, stages=("words", "data", "base", *TRAINED), changes=changes)
        withdrawing.run(path)

    return once(shared / "dealt-late", make) / "run"


@pytest.fixture
def own(dealt_late: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dealt_late, tmp_path / "run"))


def traced(folder: Path, patient: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert cli.main(["trace", str(folder), "--patient", patient, "--every", "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return {stage["stage"]: stage for stage in told["stages"] if stage["stage"] in TRAINED}


@pytest.mark.slow
def test_late_patients_come_last_in_every_kind_of_training_and_trace_knows_it(
    dealt_late: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = {}
    for patient in [f"scan-patient-{n}" for n in range(24)]:
        for name, stage in traced(dealt_late, patient, capsys).items():
            assert stage["steps_compared_with_the_ledger"] == stage["steps_taken"]
            if stage["steps"]:
                first[patient, name] = stage["steps"][0][0]
    for name in TRAINED:
        others = max(step for (patient, each), step in first.items() if each == name and patient not in LATE)
        mine = [first[patient, name] for patient in LATE if (patient, name) in first]
        assert mine and min(mine) >= others, name
    made = manifest.read(next(dealt_late.glob("plain-*"))).results
    assert made["late_in_first_epoch"] == 2 * len(LATE)


@pytest.mark.slow
def test_a_late_patient_is_forgotten_by_few_steps_and_to_the_bit(own: Path, tmp_path: Path) -> None:
    target = tmp_path / "run-without"
    assert withdrawing.forget(own, "--patient", LATE[0], "--erase") == 0
    told = {one.stage: one for one in withdrawing.certified(target).chain}
    for name in ("plain", "packed"):
        assert told[name].how == "goes on" and told[name].again <= 4 < told[name].steps / 2, told[name]
    left = withdrawing.certified(target).left
    assert any("consent.csv: the table by which packed knows who consented when" in line for line in left)
    # From the first step, also over a corpus whose groups are erased: only what is kept beside it tells who came late.
    said = yaml.safe_load((target / deciding.RECIPE).read_text())
    straight = tmp_path / "straight"
    said["output"] = str(straight)
    (tmp_path / "straight.yaml").write_text(yaml.safe_dump(said))
    shutil.copytree(next(target.glob("data-*")), straight / next(target.glob("data-*")).name, symlinks=True)
    runs.write(straight, recipe="withdrawing", stages=[], plan="plan")
    withdrawing.run(tmp_path / "straight.yaml")
    equal = withdrawing.same(target, straight)
    assert set(equal) >= set(TRAINED) and all(equal.values()), equal
    assert any(line.get("withdrawn") for line in ledger.steps(next(straight.glob("packed-*"))))


@pytest.mark.slow
def test_the_list_of_late_rows_is_not_made_again_from_erased_groups(own: Path) -> None:
    stage = next(own.glob("data-*"))
    erasing.erase(stage, np.array([18, 19]), {})
    wanted = ConsentedLate(**_said(own.parent))
    (kept,) = (stage / "corpus").glob(late.FILES)
    found = corpus.load(stage / "corpus")
    assert late.of_all([found], wanted, where="x")[0].tolist() == [10, 11, 18, 19, 36, 37]
    kept.unlink()
    with pytest.raises(DataError, match="is missing or damaged, and rows of its corpus were erased"):
        late.of_all([found], wanted, where="x")


def _said(root: Path) -> dict[str, Any]:
    said: dict[str, Any] = table(root / "again" / "consent.csv")
    return said | {"since": np.datetime64(SINCE).item()}


def corpus_of(root: Path) -> corpus.Corpus:
    withdrawing.drawn(root / "data" / "corpus", patients=12, seed=2, name="scan")
    return corpus.load(root / "data" / "corpus")


def test_rows_are_found_once_and_again_where_the_list_is_damaged_or_of_another_table(tmp_path: Path) -> None:
    found = corpus_of(tmp_path)
    wanted = ConsentedLate(**_said(tmp_path))
    rows = late.of_all([found, found], wanted, where="x")
    assert [one.tolist() for one in rows] == [[10, 11, 18, 19]] * 2
    (path,) = found.folder.glob(late.FILES)
    assert late.read(found.folder, path.name).tolist() == [10, 11, 18, 19]
    data = bytearray(path.read_bytes())
    data[130] ^= 1
    path.write_bytes(bytes(data))
    assert late.of_all([found], wanted, where="x")[0].tolist() == [10, 11, 18, 19]
    other = wanted.model_copy(update={"since": np.datetime64("2025-09-11").item()})
    assert late.of_all([found], other, where="x")[0].tolist() == [10, 11, 16, 17, 18, 19]
    assert len(list(found.folder.glob(late.FILES))) == 2


def test_patients_that_no_corpus_has_are_another_spelling(tmp_path: Path) -> None:
    found = corpus_of(tmp_path)
    path = tmp_path / "consent.csv"
    path.write_text("patient,date\n0005,2026-04-01\n")
    wanted = ConsentedLate(file=str(path), since=np.datetime64(SINCE).item())
    with pytest.raises(DataError, match=r"such as '0005', and none is in .* named as 'scan-patient-0'"):
        late.of_all([found], wanted, where="stages.x.consented_late")
    path.write_text("patient,date\n0005,2026-01-01\n")
    assert late.of_all([found], wanted, where="x")[0].tolist() == [], "nobody is late"


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        (None, MissingInput, "x.file: .*consent.csv: no such file"),
        ("patient,day\n", DataError, "no column 'date'; it has: patient, day"),
        ("", DataError, "no column 'patient'; it has: none"),
        ("patient,date\np1,2026-02-30\n", DataError, r"consent.csv:2: date: '2026-02-30' is no date"),
        ("patient,date\np1,\n", DataError, r"consent.csv:2: date: '' is no date"),
        ("patient,date\n ,2026-02-03\n", DataError, "consent.csv:2: patient: empty"),
        ("patient,date\np1\n", DataError, r"consent.csv:2: date: '' is no date"),
        ('patient,date\n"p1,2026-02-03\n', DataError, "no CSV"),
    ],
)
def test_a_table_of_consents_that_is_wrong_is_one_line(
    text: str | None, error: type[Exception], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "consent.csv"
    if text is not None:
        path.write_text(text)
    wanted = ConsentedLate(file=str(path), since=np.datetime64(SINCE).item())
    with pytest.raises(error, match=says):
        wanted.patients("x")


def test_a_machine_that_has_no_such_table_says_so_before_it_trains(tmp_path: Path) -> None:
    found = corpus_of(tmp_path)
    wanted = ConsentedLate(file=str(tmp_path / "nothing.csv"), since=np.datetime64(SINCE).item())
    with pytest.raises(MissingInput, match=r"x\.file: .*nothing\.csv: no such file"):
        late.of_all([found], wanted, where="x")


def test_the_latest_of_several_dates_counts(tmp_path: Path) -> None:
    path = tmp_path / "consent.csv"
    path.write_text("patient,date\na,2026-04-01\na,2024-01-01\nb,2026-02-28T23:59:59+00:00\nc,2026-03-01\n")
    wanted = ConsentedLate(file=str(path), since=np.datetime64(SINCE).item())
    assert wanted.patients("x") == {"a", "c"}
