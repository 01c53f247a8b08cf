"""Giving a tracker what a run left: every stage, as the recipe chose or otherwise, and again without a step twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import made_up_run
import pytest
from tracking import PLUGINS, tensorboard

from lingshu_train.cli.track import track
from lingshu_train.errors import CannotCreate, MissingInput, OutputFailed, RecipeError, UsageError
from lingshu_train.report import page
from lingshu_train.runs import results, run
from lingshu_train.trackers import _choice as choice
from lingshu_train.trackers._choice import Chosen


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run of four training stages and an evaluation that no tracker has followed."""
    return made_up_run.build(tmp_path / "run")


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINGSHU_PLUGINS", str(PLUGINS))


def folder_of(run_folder: Path, stage: str) -> Path:
    found = run.read(run_folder)
    return run_folder / "trackers" / "tensorboard" / found.folder(found.stage(stage)).name


def test_a_finished_run_is_sent_whole_wherever_it_lies_and_as_often_as_one_likes(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = tmp_path / "elsewhere"
    shutil.move(finished, moved)
    for _ in range(2):
        assert track(moved, "tensorboard", samples=True) == 0
    for stage, steps in (("shallow", 120), ("deep", 120), ("instruct", 120), ("grpo", 160)):
        rows = tensorboard(folder_of(moved, stage))
        assert [step for step, _ in rows] == list(range(1, steps + 1))
    measured = results.read(next(moved.glob("evaluate-*")))
    ((step, row),) = tensorboard(folder_of(moved, "evaluate"))
    assert step == 0
    assert row["accuracy/grpo/all"] == pytest.approx(measured.models["grpo"]["all"].accuracy)
    assert len(row) == 4 * 4, "four models, three tasks and their mean"
    out, err = capsys.readouterr()
    assert out.count("\n") == 2 * 5
    assert "grpo: grpo-" in out
    refused = "lingshu: grpo: no samples for tracker tensorboard: data card scans is not found here"
    assert err.count(refused) == 2
    assert not [
        path for path in moved.glob("trackers/**/*") if path.is_file() and b"Which side" in path.read_bytes()
    ]


def test_without_params_a_run_is_sent_as_its_recipe_chose(finished: Path) -> None:
    found = run.read(finished)
    folder = found.folder(found.stage("shallow"))
    choice.write(folder, [Chosen(name="trackio", params={"project": "mine"})])
    assert track(finished, "trackio") == 0
    assert (finished / "trackers" / "trackio" / "mine.db").is_file()
    assert (finished / "trackers" / "trackio" / "lingshu-train.db").is_file(), (
        "the stages it was not chosen for"
    )
    assert track(finished, "trackio", params=["project=other"]) == 0
    assert (finished / "trackers" / "trackio" / "other.db").is_file()


@pytest.mark.usefixtures("plugins")
def test_a_tracker_of_ones_own_is_one_file(finished: Path) -> None:
    assert track(finished, "notebook", params=["digits=1"]) == 0
    (notes,) = (finished / "trackers").glob("grpo-*.txt")
    lines = notes.read_text().splitlines()
    assert lines[0] == "made_up"
    assert lines[-1] == "done"
    assert len(lines) == 162


@pytest.mark.usefixtures("plugins")
def test_what_a_tracker_did_not_take_is_said_and_stands_in_the_report_until_it_has_it(finished: Path) -> None:
    with pytest.raises(
        OutputFailed, match="tracker breaking does not have all of shallow, deep, instruct, grpo"
    ):
        track(finished, "breaking")
    html = page.write(finished).read_text(encoding="utf-8")
    assert html.count("tracker breaking: ConnectionError: the server hung up; training is not affected") == 4


def test_a_run_that_goes_on_is_left_alone(finished: Path) -> None:
    with run.hold(finished), pytest.raises(CannotCreate, match="in use by another run"):
        track(finished, "tensorboard")


def test_mistakes_are_named(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="unknown tracker 'tensorbord'; trackers/ has: tensorboard"):
        track(finished, "tensorbord")
    with pytest.raises(UsageError, match="a param is key=value"):
        track(finished, "wandb", params=["project"])
    with pytest.raises(RecipeError, match="entitty: unknown key"):
        track(finished, "wandb", params=["entitty=me"])
    with pytest.raises(MissingInput, match="not a run folder"):
        track(tmp_path, "tensorboard")
