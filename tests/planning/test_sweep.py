"""Sweeps: Hydra's grammar to runs with folders of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingshu_train import cli
from lingshu_train.errors import CannotCreate, LingshuError, RunAgain, UsageError
from lingshu_train.planning import plan, recipe, sweep
from lingshu_train.running import launch


def folders(*overrides: str) -> list[str]:
    return [job.recipe.output for job in sweep.jobs("quickstart", overrides)]


def test_every_value_is_a_run_in_a_folder_of_its_own() -> None:
    found = sweep.jobs("quickstart", ["seed=0,1,2", "stages.rl.steps=32"])
    assert [job.chosen for job in found] == [("seed=0",), ("seed=1",), ("seed=2",)]
    assert [job.recipe.seed for job in found] == [0, 1, 2]
    assert folders("seed=0,1") == ["runs/quickstart-seed-0", "runs/quickstart-seed-1"]


@pytest.mark.parametrize("values", ["range(3)", "0,1,2", "choice(0,1,2)", "0,1,1,2"])
def test_a_range_and_a_choice_are_lists_of_values(values: str) -> None:
    assert folders(f"seed={values}") == [f"runs/quickstart-seed-{seed}" for seed in range(3)]


def test_several_keys_give_every_combination() -> None:
    assert folders("seed=0,1", "stages.rl.clip_low=0.1,0.2") == [
        "runs/quickstart-seed-0-clip_low-0.1",
        "runs/quickstart-seed-0-clip_low-0.2",
        "runs/quickstart-seed-1-clip_low-0.1",
        "runs/quickstart-seed-1-clip_low-0.2",
    ]


def test_keys_that_end_alike_are_told_apart() -> None:
    assert folders("stages.instruct.steps=80,160", "stages.rl.steps=48")[0] == "runs/quickstart-steps-80"
    assert folders("stages.shallow.steps=20,40", "stages.deep.steps=20,40")[1] == (
        "runs/quickstart-stages.shallow.steps-20-stages.deep.steps-40"
    )


def test_values_that_no_folder_can_be_named_by_are_still_two_runs() -> None:
    found = folders("title=a/b,a:b", "output=runs/x")
    assert len(set(found)) == 2 and all(Path(one).parent == Path("runs") for one in found)
    assert all(one.startswith("runs/x-title-a_b-") for one in found)


def test_a_run_whose_folder_is_swept_keeps_it() -> None:
    assert folders("output=runs/a,runs/b") == ["runs/a", "runs/b"]


def test_the_folder_of_a_run_can_be_typed_as_it_stands() -> None:
    (name,) = folders("seed=7,7")
    assert recipe.load("quickstart", [f"output={name}"]).output == name


def test_a_list_is_one_value() -> None:
    cards = [
        job.recipe.stages[0].config.card_names
        for job in sweep.jobs("quickstart", ["stages.data.cards=[slake,vqa_rad]"])
    ]
    assert cards == [("slake", "vqa_rad")]


@pytest.mark.parametrize("typed", ["seed=interval(0,1)", "seed=glob(*)"])
def test_what_is_no_list_of_values_says_what_is(typed: str) -> None:
    with pytest.raises(UsageError, match="a sweep takes values with commas between"):
        sweep.jobs("quickstart", [typed])


@pytest.mark.parametrize("verb", ["run", "plan"])
def test_several_values_without_the_flag_say_so(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb, "quickstart", "seed=0,1"]) == 64
    assert capsys.readouterr().err == (
        "lingshu: seed=0,1: several values; add -m to run each in a folder of its own, or write a list as [a,b]\n"
    )


def test_a_wrong_value_is_found_before_the_first_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "quickstart", "-m", "seed=0,x"]) == 78
    assert "got 'x'" in capsys.readouterr().err


def test_a_plan_lists_the_runs_and_what_they_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["plan", "quickstart", "-m", "stages.rl.kl_coefficient=0.0,0.04"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 runs, one after another:"
    assert lines[1].endswith("stages.rl.kl_coefficient=0.0: 8 stages")
    assert lines[2].endswith(
        "stages.rl.kl_coefficient=0.04: 8 stages, 5 of them those of quickstart-kl_coefficient-0.0"
    )


def failing(fault: LingshuError, begun: list[str], monkeypatch: pytest.MonkeyPatch, where: Path) -> None:
    """A launcher whose first run fails, with no stage behind it."""

    def run(made: plan.Plan, say: launch.Say) -> None:
        begun.append(Path(made.output).name)
        if len(begun) == 1:
            raise fault

    monkeypatch.setattr(launch, "run", run)
    monkeypatch.chdir(where)


def test_a_run_that_fails_does_not_stop_the_others_and_sets_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[str] = []
    failing(CannotCreate("no room"), begun, monkeypatch, tmp_path)
    assert cli.main(["run", "quickstart", "-m", "seed=0,1,2"]) == 73
    assert begun == ["quickstart-seed-0", "quickstart-seed-1", "quickstart-seed-2"]
    said = capsys.readouterr().err
    assert "lingshu: runs/quickstart-seed-0: no room\n" in said
    assert "run 3 of 3: seed=2 -> runs/quickstart-seed-2\n" in said
    assert "nothing to compare: " in said


def test_an_interrupted_sweep_begins_no_further_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[str] = []
    failing(RunAgain("interrupted"), begun, monkeypatch, tmp_path)
    assert cli.main(["run", "quickstart", "-m", "seed=0,1,2"]) == 75
    assert begun == ["quickstart-seed-0"]


def test_a_sweep_under_torchrun_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert cli.main(["run", "quickstart", "-m", "seed=0,1"]) == 64
    assert "-m starts its runs one after another; call it as one process" in capsys.readouterr().err
