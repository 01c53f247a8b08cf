"""`lingshu init`: a folder in which one can start, and from which git takes recipes alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lingshu_train import cli
from lingshu_train.errors import CannotCreate
from lingshu_train.planning import plan, project, recipe

ROOT = Path(__file__).parents[2]
OWN = (
    "data/mine/patient.png",
    "data/mine/rows.csv",
    "data_cards/mine.md",
    "runs/first/report.html",
    "pairs.csv",
    "images/a.dcm",
    "notes.yaml/scan.png",
    "wandb/run.json",
)


def seen_by_git(folder: Path) -> set[str]:
    """What `git add .` in the folder would take."""
    told = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    listing = ["git", "-c", "core.excludesFile=", "status", "--porcelain", "--untracked-files=all", "."]
    done = subprocess.run(listing, cwd=folder, env=told, capture_output=True, text=True, check=True)
    return {line[3:] for line in done.stdout.splitlines()}


def put(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("patient", encoding="utf-8")


@pytest.mark.parametrize("place", [".", "below"])
def test_git_takes_recipes_of_a_project_and_nothing_else(tmp_path: Path, place: str) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    project.make(tmp_path / place)
    put(tmp_path / place, (*OWN, "mine.yaml"))
    wanted = {".gitignore", "README.md", "first.yaml", "mine.yaml"}
    assert seen_by_git(tmp_path) == {(Path(place) / name).as_posix() for name in wanted}


def test_in_a_checkout_git_sees_no_data_no_card_and_no_recipe_of_ones_own(tmp_path: Path) -> None:
    clone = tmp_path / "lingshu"
    subprocess.run(["git", "init", "-q", str(clone)], check=True)
    (clone / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    put(clone, (*OWN, "mine.yaml", "my_data/scan.dcm", "answers.jsonl", ".venv/bin/python", "img.png"))
    assert seen_by_git(clone) == {".gitignore"}
    put(clone, ("docs/new.md", "lingshu_train/rewards/new.py", "recipes/new.yaml", "tests/test_new.py"))
    assert len(seen_by_git(clone)) == 5


def test_what_the_project_tracks_is_not_ignored_but_for_the_cards() -> None:
    """Else a new file would be forgotten. A new card is added by force, which CONTRIBUTING.md says."""
    listing = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    hidden = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition("/")[0] for name in hidden} == {"data_cards"}
    assert "git add --force data_cards/" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_a_new_project_plans_its_first_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init", "my scans"]) == 0
    said = capsys.readouterr().out
    assert "cd 'my scans'\n  lingshu plan first.yaml" in said
    assert "no data, no cards, no runs" in said
    monkeypatch.chdir("my scans")
    assert cli.main(["plan", "first.yaml"]) == 0
    made = plan.build(recipe.load("first.yaml"))
    assert Path(made.output) == tmp_path / "my scans" / "runs" / "first"
    quickstart = plan.build(recipe.load("quickstart"))
    assert [stage.content for stage in made.stages] == [stage.content for stage in quickstart.stages]


@pytest.mark.parametrize("there", [".gitignore", "README.md", "first.yaml"])
def test_init_overwrites_nothing(there: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / there).write_text("mine", encoding="utf-8")
    assert cli.main(["init", str(tmp_path)]) == CannotCreate.exit_code
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{tmp_path}/{there}: is there already" in line
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("place", ["file", "file/below", "with_data", "/proc/nowhere"])
def test_a_place_where_no_project_can_be_is_one_line(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, ("file", "with_data/data_cards"))
    assert cli.main(["init", str(tmp_path / place)]) == CannotCreate.exit_code
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / place) in line
    assert not list(tmp_path.rglob("first.yaml"))


def test_a_folder_that_holds_data_becomes_a_project_and_keeps_it(tmp_path: Path) -> None:
    put(tmp_path, OWN)
    project.make(tmp_path)
    assert all((tmp_path / name).read_text(encoding="utf-8") == "patient" for name in OWN)
