"""What the operating system does not let us do is one line: a full disk, a read-only place, a file that may not be read."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import made_up_run
import pytest

from lingshu_train import cli
from lingshu_train.planning import recipe
from lingshu_train.runs import run as runs

ROOT = Path(__file__).parents[2]
FULL = Path("/dev/full")
ROW = {"id": "1", "question": "Mass?", "question_type": "yes_no", "answer": "yes", "response": "Yes"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize(
    "argv", [["--help"], ["data", "show", "slake"], ["plan", "lingshu_7b"]], ids=" ".join
)
def test_an_output_that_is_full_is_one_line(argv: list[str]) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lingshu_train", *argv],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.stderr == "lingshu: the output cannot be written: No space left on device\n"
    assert done.returncode == 74


@pytest.mark.parametrize("limit", [0, 100])
def test_a_file_that_may_not_grow_is_one_line_and_leaves_nothing(limit: int, tmp_path: Path) -> None:
    """The kernel's own refusal: a limit on the size of files stands for a disk that fills up."""
    Path("answers.jsonl").write_text((json.dumps(ROW) + "\n") * 50)
    Path("judged.jsonl").write_text("the result of yesterday")
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "from lingshu_train import cli; sys.exit(cli.main())"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, "score", "answers.jsonl", "--out", "judged.jsonl"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == "lingshu: judged.jsonl: File too large\n"
    assert done.returncode == 74
    assert Path("judged.jsonl").read_text() == "the result of yesterday"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "judged.jsonl"]


def denied(path: Path) -> OSError:
    return PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


@pytest.mark.parametrize(
    ("argv", "name", "code"),
    [
        (["status", "run"], "run.json", 66),
        (["report", "run"], "run.json", 66),
        (["verify", "run"], "run.json", 66),
        (["score", "answers.jsonl"], "answers.jsonl", 66),
        (["plan", "mine.yaml"], "mine.yaml", 66),
        # The page is written all the same, and says what is missing on it.
        (["report", "run"], "results.json", 65),
        (["report", "run"], "ledger.jsonl", 65),
    ],
)
def test_a_file_that_may_not_be_read_is_told(
    argv: list[str], name: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The refusal itself is made up, since root may read everything."""
    made_up_run.build(Path("run"), questions=6)
    Path("answers.jsonl").write_text(json.dumps(ROW))
    Path("mine.yaml").write_text("defaults: [quickstart, _self_]")
    real = Path.open

    def refuse(path: Path, *rest: object, **named: object) -> object:
        if path.name == name:
            raise denied(path)
        return real(path, *rest, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    assert cli.main(argv) == code
    lines = capsys.readouterr().err.splitlines()
    assert f"{name}: Permission denied" in lines[0]
    assert all(line.startswith("lingshu: ") for line in lines) and (len(lines) == 1 or code == 65)


def test_what_stands_where_a_run_was_expected_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("README.md").write_text("text")
    Path("empty").mkdir()
    for verb in ("status", "report", "verify"):
        for place, says in (
            ("README.md", "a file, and a run is a folder"),
            ("empty", "no run.json"),
            ("no", "no such folder"),
        ):
            assert cli.main([verb, place]) == (64 if place == "README.md" else 66)
            (line,) = capsys.readouterr().err.splitlines()
            assert says in line


def test_a_fault_that_nobody_can_mend_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path) -> None:
        raise OSError(errno.ESPIPE, "ours")

    monkeypatch.setattr(runs, "read", broken)
    with pytest.raises(OSError, match="ours"):
        cli.main(["status", "x"])


def test_every_example_of_the_help_can_be_planned(capsys: pytest.CaptureFixture[str]) -> None:
    assert recipe.load("quickstart", ["+stages.shallow.epochs=1", "~stages.shallow.steps"])


def test_signs_that_steer_a_terminal_are_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "a\nb\x1b[31m"]) == 66
    assert capsys.readouterr().err == (
        "lingshu: a\\nb\\x1b[31m: no such folder; `lingshu run RECIPE` makes one\n"
    )
