"""Nothing of a checkpoint is opened that this installation did not write: hashes show accidents, a signature who it was."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
from layouts import Layout, stage_for

from lingshu_train import cli, environment
from lingshu_train.errors import CannotCreate, NotPermitted
from lingshu_train.naming import file_digest
from lingshu_train.runs import checkpoint, run, signing
from lingshu_train.runs.stage import Stage

CONTENT = "content"


class Stranger:
    """Unpickled, it leaves a file behind."""

    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self) -> tuple[Callable[[str, str], object], tuple[str, str]]:
        return os.system, (f"touch {self.sign}",)


def save(stage: Path, step: int) -> Path:
    written = checkpoint.staging(stage, step) / f"checkpoint-{step}"
    (written / "global_step").mkdir(parents=True)
    (written / "global_step" / "optim_states.pt").write_bytes(b"state")
    return checkpoint.commit(stage, written, step=step, content=CONTENT, world_size=1)


def forged(folder: Path, name: str, data: bytes) -> None:
    """A stranger puts a file into a checkpoint, and its hash into the list."""
    (folder / name).write_bytes(data)
    path = folder / checkpoint.NAME
    record = json.loads(path.read_text())
    record["files"][name] = file_digest(folder / name)
    path.write_text(json.dumps(record))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of one's own, without a key."""
    monkeypatch.delenv("LINGSHU_KEY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "lingshu" / "key"


def test_a_key_is_made_once_for_its_owner_alone_and_lies_in_no_run(home: Path, tmp_path: Path) -> None:
    folder = save(tmp_path / "run" / "stage", 3)
    assert home.stat().st_mode & 0o777 == 0o600
    key = home.read_text().strip()
    assert len(key) >= signing.LEAST
    assert not any(
        key.encode() in path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()
    )
    assert checkpoint.newest(folder.parent.parent, content=CONTENT) == (folder, [])
    assert home.read_text().strip() == key
    assert [path.name for path in home.parent.iterdir()] == ["key"]


def test_processes_that_start_at_once_agree_on_one_key(home: Path) -> None:
    line = "from lingshu_train.runs import signing; print(signing.signature({}))"
    started = [subprocess.Popen([sys.executable, "-c", line], stdout=subprocess.PIPE) for _ in range(4)]
    assert len({one.communicate()[0] for one in started}) == 1


def test_a_forged_checkpoint_is_set_aside_and_the_one_before_is_used(tmp_path: Path) -> None:
    before, folder = save(tmp_path, 3), save(tmp_path, 6)
    forged(folder, "global_step/optim_states.pt", b"other")
    found, told = checkpoint.newest(tmp_path, content=CONTENT)
    assert found == before
    assert "not written by this installation" in told[0]


def test_a_file_that_nobody_vouches_for_is_told(tmp_path: Path) -> None:
    before, folder = save(tmp_path, 3), save(tmp_path, 6)
    (folder / "training_args.bin").write_bytes(b"x")
    found, told = checkpoint.newest(tmp_path, content=CONTENT)
    assert found == before
    assert "training_args.bin is not in its list of files" in told[0]


@pytest.mark.parametrize("what", ["another key", "forged", "unsigned"])
def test_where_the_only_checkpoints_are_foreign_nothing_is_opened_or_renamed(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(tmp_path / "stage", 3)
    if what == "another key":
        monkeypatch.setenv("LINGSHU_KEY", "b" * 40)
    elif what == "forged":
        forged(folder, "global_step/optim_states.pt", b"other")
    else:
        record = json.loads((folder / checkpoint.NAME).read_text())
        (folder / checkpoint.NAME).write_text(json.dumps({key: value for key, value in record.items() if key != "signature"}))  # fmt: skip
    with pytest.raises(NotPermitted, match=r"step-00000003: .*lingshu adopt .*LINGSHU_KEY") as refusal:
        checkpoint.newest(tmp_path / "stage", content=CONTENT)
    assert len(str(refusal.value).splitlines()) == 1
    assert folder.is_dir()


def test_a_run_of_another_machine_is_adopted_by_a_word_and_what_is_damaged_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = tiny.make_stage(tmp_path / "run", "a", {"kind": "build", "corpus": "data"}, parents={})
    run.write(tmp_path / "run", recipe="test", stages=[stage], plan="")
    first, second = save(stage.path, 3), save(stage.path, 6)
    (second / "global_step" / "optim_states.pt").write_bytes(b"damage")
    monkeypatch.setenv("LINGSHU_KEY", "b" * 40)
    assert cli.main(["adopt", str(tmp_path / "run")]) == 0
    adopted, left = capsys.readouterr().out.splitlines()
    assert "step-00000003: adopted, 1 files" in adopted
    assert "optim_states.pt has changed" in left
    found, told = checkpoint.newest(stage.path, content=CONTENT)
    assert found == first
    assert len(told) == 1
    shutil.rmtree(next((stage.path / checkpoint.FOLDER).glob("damaged-*")))
    assert cli.main(["adopt", str(tmp_path / "run")]) == 0
    assert "nothing to adopt" in capsys.readouterr().out


def test_a_key_that_cannot_be_kept_is_too_short_or_open_to_others_is_one_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signing.signature({})
    home.chmod(0o644)
    with pytest.raises(NotPermitted, match="others can read this key"):
        checkpoint.newest(tmp_path, content=CONTENT)
    home.chmod(0o600)
    home.write_text("")
    with pytest.raises(NotPermitted, match="at least 32 characters"):
        signing.signature({})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotCreate, match="set LINGSHU_KEY"):
        signing.signature({})
    monkeypatch.setenv("LINGSHU_KEY", "short")
    with pytest.raises(NotPermitted, match="LINGSHU_KEY: a key has at least"):
        signing.signature({})
    assert environment.own_key() == "short"


@pytest.mark.slow
def test_code_of_a_stranger_in_a_state_of_deepspeed_does_not_run(base: Path, tmp_path: Path) -> None:
    layout: Layout = ("sft", 2, "zero2")
    stage: Stage = stage_for(base, tmp_path, layout)
    tiny.kill_when(tiny.start(stage), lambda: checkpoint.place(stage.path, 3).exists())
    sign = tmp_path / "it-ran"
    for folder in checkpoint.existing(stage.path):
        for state in folder.rglob("*optim_states.pt"):
            forged(folder, state.relative_to(folder).as_posix(), pickle.dumps(Stranger(sign)))
    assert tiny.run(stage) != 0
    assert json.loads((stage.path / "error.json").read_text())["exit_code"] == 77
    assert not sign.exists()
