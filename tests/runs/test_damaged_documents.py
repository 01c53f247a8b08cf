"""A document of a run that a crash or a hand has damaged is one line with the file and what to do, and exit code 65."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import made_up_run
import pytest

from lingshu_train import cli
from lingshu_train.errors import CannotCreate, DataError
from lingshu_train.runs import run

TRACK = ("track", "run", "--tracker", "tensorboard")
PUSH = ("push", "run", "export", "me/x")
EVERY = (("status", "run"), ("verify", "run"), ("report", "run"), PUSH, TRACK)
READERS = {
    "run.json": EVERY,
    "export-*/manifest.json": EVERY,
    "grpo-*/stage.json": (("verify", "run"), ("report", "run"), PUSH, TRACK),
    "evaluate-*/results.json": (("verify", "run"), ("report", "run"), TRACK),
    "prepare-*/corpus/corpus.json": (("verify", "run"),),
}


def flipped(data: bytes) -> bytes:
    """One high bit, as a bad sector gives it: no UTF-8 any more."""
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 0x80]) + data[place + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "flipped": flipped,
    "empty": lambda _: b"",
    "torn": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "another thing": lambda _: b"[]",
    "nested": lambda _: b"[" * 100_000,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    made_up_run.build(folder / "run", questions=6, cards=("package_pydicom",))
    return folder


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("how", DAMAGE)
def test_it_is_told_by_every_verb_that_reads_it(
    how: str, name: str, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(whole)
    path = next(Path("run").glob(name), None)
    if path is None:
        pytest.skip(f"no {name} in a made-up run")
    before = path.read_bytes()
    path.write_bytes(DAMAGE[how](before))
    try:
        for argv in READERS[name]:
            code = cli.main(argv)
            out, err = capsys.readouterr()
            assert code == 65, (argv, out, err)
            assert "Traceback" not in err
            assert path.name in (err or out), (argv, out, err)
            if argv[0] not in ("verify", "report"):
                assert len(err.splitlines()) == 1
                assert "; " in err, "what to do"
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("argv", EVERY, ids=lambda argv: argv[0])
def test_a_file_in_place_of_a_run_is_a_slip_of_the_command_line(
    argv: tuple[str, ...],
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(whole)
    assert cli.main([argv[0], "run/run.json", *argv[2:]]) == 64
    assert "a file, and a run is a folder" in capsys.readouterr().err


@pytest.mark.parametrize("how", ["flipped", "empty", "lost"])
def test_a_run_json_that_cannot_be_read_is_written_again_by_its_own_recipe_alone(
    how: str, whole: Path
) -> None:
    folder = whole / "run"
    path = folder / run.NAME
    before = path.read_bytes()
    recipe = run.read(folder).recipe
    try:
        path.unlink() if how == "lost" else path.write_bytes(DAMAGE[how](before))
        with pytest.raises(CannotCreate, match="belongs to a run of recipe"):
            run.write(folder, recipe="another", stages=[], plan="")
        run.write(folder, recipe=recipe, stages=[], plan="")
        assert run.read(folder).recipe == recipe
    finally:
        path.write_bytes(before)


def test_a_run_json_that_nothing_else_vouches_for_stays_damaged(tmp_path: Path) -> None:
    (tmp_path / run.NAME).write_bytes(b"\xff")
    with pytest.raises(DataError, match="not UTF-8"):
        run.write(tmp_path, recipe="any", stages=[], plan="")
    assert (tmp_path / run.NAME).read_bytes() == b"\xff"
