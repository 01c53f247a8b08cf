"""Steps run again give the bits of the ledger; what was changed in it is found, and the run itself is never written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from layouts import Layout

from lingshu_train import cli
from lingshu_train.comparison import parting
from lingshu_train.replaying import replay
from lingshu_train.runs import checkpoint, ledger
from lingshu_train.runs import run as runs
from lingshu_train.runs.stage import Stage

pytestmark = pytest.mark.slow


@pytest.fixture
def own(followed_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(followed_run, tmp_path / "moved"))


def held(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of the last change of every file of a run."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def changed(folder: Path, stage: str, step: int, **values: object) -> None:
    """A line of a ledger with other values."""
    path = folder / stage / ledger.NAME
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [{**line, **values} if line["step"] == step else line for line in lines]
    path.write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in lines))


@pytest.mark.parametrize(("asked", "how"), [(False, "within 0.0001"), (True, "bit for bit")])
def test_steps_of_a_gpu_are_compared_bit_for_bit_where_its_sums_have_one_order(
    asked: bool, how: str, own: Path
) -> None:
    for name, block in (("manifest.json", "environment"), ("stage.json", "cluster")):
        path = own / "mixed" / name
        said = json.loads(path.read_text())
        said[block] |= {"environment": {"device": "cuda"}, "cluster": {"deterministic": asked}}[block]
        path.write_text(json.dumps(said))
    assert f"compared {how}" in str(replay.plan(own, "mixed", "17:20"))


@pytest.mark.parametrize(
    ("stage", "steps", "start"),
    [
        ("mixed", "17:20", "step-00000015"),
        ("packed", "4:5", "step-00000002"),
        ("windows", "3:6", "the stage's start"),
    ],
)
def test_steps_run_again_are_equal_to_the_bit_and_the_run_is_not_touched(
    stage: str, steps: str, start: str, own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = held(own)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert cli.main(["replay", str(own), stage, "--steps", steps, "--scratch", str(scratch)]) == 0
    printed = capsys.readouterr().out
    assert start in printed
    assert "compared bit for bit" in printed
    first, last = map(int, steps.split(":"))
    assert f"equal: {last - first + 1} steps" in printed
    assert held(own) == before
    assert list(scratch.iterdir()) == [], "the scratch folder is cleared away"


def test_a_ledger_that_was_changed_is_found_at_its_step(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(own, "mixed", 18, loss=0.25)
    assert cli.main(["replay", str(own), "mixed", "--steps", "17:19"]) == 65
    printed = capsys.readouterr()
    assert "mixed: step 18 is not what the ledger tells: loss" in printed.err
    assert "0.25 -> " in printed.out
    assert printed.out.count("equal") == 2


def test_two_processes_are_replayed_as_two(
    straight: Callable[[Layout], Stage], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "run"
    stage = straight(("sft", 2, "none"))
    runs.write(root, recipe="two", stages=[], plan="plan")
    shutil.copytree(stage.path, root / "sft")
    runs.write(root, recipe="two", stages=[stage], plan="plan")
    assert cli.main(["replay", str(root), "sft", "--steps", "10:11"]) == 0
    assert "2 processes" in capsys.readouterr().out


def test_what_changed_since_is_said_before_the_first_step(own: Path) -> None:
    path = own / "mixed" / "manifest.json"
    told = json.loads(path.read_text())
    told["environment"]["packages"]["torch"] = "1.0"
    told["stage"]["version"] = "0.1"
    path.write_text(json.dumps(told))
    made = replay.plan(own, "mixed", "17:20")
    assert any(line.startswith("packages.torch: 1.0, now ") for line in made.changed)
    assert "not as recorded: packages.torch: 1.0" in str(made)


def test_a_damaged_checkpoint_is_passed_over(own: Path) -> None:
    newest = checkpoint.place(own / "mixed", 15)
    (newest / "optimizer.pt").write_bytes(b"")
    made = replay.plan(own, "mixed", "17:20")
    assert made.start == checkpoint.place(own / "mixed", 10)
    assert newest.is_dir(), "it is not set aside: a replay changes nothing"


def test_where_nothing_is_left_to_start_from_it_is_said(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(own / "packed" / "checkpoints")
    shutil.rmtree(own / "mixed" / "model")
    assert cli.main(["replay", str(own), "packed", "--steps", "4:5"]) == 66
    assert "no whole checkpoint from before step 4, and the model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stage", "steps", "code", "says"),
    [
        ("data", "1:2", 64, "takes no optimizer steps"),
        ("mixed", "0:2", 64, "write A:B"),
        ("mixed", "5:2", 64, "write A:B"),
        ("mixed", "a", 64, "write A:B"),
        ("mixed", "5:99", 66, "the ledger ends at step 20"),
        ("nobody", "1:2", 66, "no stage 'nobody'"),
    ],
)
def test_what_cannot_be_replayed_is_one_line(
    stage: str, steps: str, code: int, says: str, followed_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["replay", str(followed_run), stage, "--steps", steps]) == code
    assert says in capsys.readouterr().err


def test_a_run_and_its_copy_are_the_same(
    own: Path, followed_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["diff", str(followed_run), str(own)]) == 0
    assert capsys.readouterr().out.rstrip().endswith("\nthe same")


def test_the_step_at_which_two_ledgers_part_is_told_column_by_column(
    own: Path, followed_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(own, "mixed", 11, loss=0.5)
    changed(own, "mixed", 12, loss=0.5, grad_norm=1.5)
    changed(own, "packed", 3, seconds=99.0)
    assert cli.main(["diff", str(followed_run), str(own), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    mixed, packed, windows = found["ledgers"]
    assert [(column["name"], column["step"]) for column in mixed["columns"]] == [
        ("loss", 11),
        ("grad_norm", 12),
    ]
    assert packed["same"] and windows["same"], "timings are no difference"
    assert cli.main(["diff", str(followed_run), str(own)]) == 1
    assert "mixed: the ledgers part at step 11 (of 20 that both have)" in capsys.readouterr().out


def test_settings_data_and_code_that_differ_are_named(own: Path, followed_run: Path) -> None:
    for path in (own / "mixed" / "stage.json", own / "mixed" / "manifest.json"):
        told = json.loads(path.read_text())
        stage = told.get("stage", told)
        stage["config"]["warmup_steps"] = 3
        stage["content"] = "another"
        if "environment" in told:
            told["environment"]["packages"]["torch"] = "1.0"
        path.write_text(json.dumps(told))
    path = own / "mixed" / ledger.NAME
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:15]))
    found = parting.parting(followed_run, own)
    apart = {part.title: dict(part.rows) for part in found.apart}
    assert apart["Settings"] == {"stages.mixed.warmup_steps": ("–", "3")}
    assert apart["Stages"] == {"mixed": ("mixed-conten", "another")}
    assert not found.same
    assert "mixed: 15 steps the same; then one goes on (20 and 15 steps)" in parting.lines(found)


def test_what_is_no_run_is_one_line(
    followed_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["diff", str(followed_run), str(tmp_path / "none")]) == 66
    assert "no such folder" in capsys.readouterr().err
