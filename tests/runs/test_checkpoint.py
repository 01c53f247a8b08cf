"""Checkpoints are whole or absent: the newest whole one is found, a damaged one is set aside and said so."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lingshu_train.errors import CannotCreate, OutputFailed
from lingshu_train.runs import checkpoint

CONTENT = "content-of-the-stage"
FILES = ("model.safetensors", "optimizer.pt", "trainer_state.json", "global_step/rank_0.pt")


def save(stage: Path, step: int, *, content: str = CONTENT) -> Path:
    written = checkpoint.staging(stage, step) / f"checkpoint-{step}"
    for name in FILES:
        (written / name).parent.mkdir(parents=True, exist_ok=True)
        (written / name).write_bytes(f"{name} of step {step}".encode() * 50)
    return checkpoint.commit(stage, written, step=step, content=content, world_size=1)


def step_found(stage: Path) -> int:
    found, set_aside = checkpoint.newest(stage, content=CONTENT)
    assert found is not None
    assert set_aside == []
    return checkpoint.step_of(found)


def names(stage: Path) -> list[str]:
    return sorted(path.name for path in (stage / checkpoint.FOLDER).iterdir())


def test_a_stage_without_checkpoints_starts_from_the_beginning(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path, content=CONTENT) == (None, [])


def test_a_commit_holds_every_file_records_its_hash_and_leaves_nothing_else(tmp_path: Path) -> None:
    folder = save(tmp_path, 3)
    assert names(tmp_path) == ["step-00000003"]
    record = json.loads((folder / checkpoint.NAME).read_text())
    assert sorted(record["files"]) == sorted(FILES)
    assert record["bytes"] == sum((folder / name).stat().st_size for name in FILES)
    assert checkpoint.problem(folder, content=CONTENT) is None


def test_the_newest_checkpoint_is_the_one_of_the_highest_step(tmp_path: Path) -> None:
    for step in (2, 100_000_000, 30, 4):
        save(tmp_path, step)
    assert step_found(tmp_path) == 100_000_000


def test_a_modification_time_in_the_future_changes_nothing(tmp_path: Path) -> None:
    """Upstream deletes by modification time: a restored backup makes it keep the oldest (facts of Trainer 5.23)."""
    future = time.time() + 4 * 365 * 86400
    for step in (4, 8, 12):
        folder = save(tmp_path, step)
        if step == 4:
            for path in [*folder.rglob("*"), folder]:
                os.utime(path, (future, future))
    assert step_found(tmp_path) == 12
    checkpoint.prune(tmp_path, keep=1)
    assert names(tmp_path) == ["step-00000012"]


def test_pruning_keeps_the_newest_steps_and_clears_half_written_folders(tmp_path: Path) -> None:
    for step in (3, 6, 9, 12):
        save(tmp_path, step)
    (checkpoint.staging(tmp_path, 15) / "checkpoint-15").mkdir(parents=True)
    checkpoint.prune(tmp_path, keep=2)
    assert names(tmp_path) == ["step-00000009", "step-00000012"]


def test_a_half_written_folder_is_never_taken_for_a_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, 3)
    shutil.copytree(checkpoint.place(tmp_path, 3), checkpoint.staging(tmp_path, 6) / "checkpoint-6")
    assert step_found(tmp_path) == 3


def test_a_checkpoint_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    folder = save(tmp_path, 3)
    flip(folder / "optimizer.pt")
    save(tmp_path, 3)
    assert step_found(tmp_path) == 3


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("name", [*FILES, checkpoint.NAME])
@pytest.mark.parametrize("damage", [flip, truncate, lengthen, empty, Path.unlink])
def test_damage_to_any_file_is_found_and_the_checkpoint_before_is_used(
    damage: object, name: str, tmp_path: Path
) -> None:
    save(tmp_path, 3)
    folder = save(tmp_path, 6)
    damage(folder / name)  # type: ignore[operator]
    if damage in (flip, truncate, lengthen) and name == checkpoint.NAME:
        # White space of the record may change without harm; what it says may not.
        (folder / name).write_text((folder / name).read_text(errors="replace").replace('"step"', '"stop"'))
    found, set_aside = checkpoint.newest(tmp_path, content=CONTENT)
    assert found == checkpoint.place(tmp_path, 3)
    assert len(set_aside) == 1
    assert str(folder) in set_aside[0]
    assert name in set_aside[0], "the line names the file"
    assert names(tmp_path) == ["damaged-step-00000006-0", "step-00000003"], "nothing is deleted"


def test_a_folder_without_a_record_is_set_aside(tmp_path: Path) -> None:
    """What a kill in the middle of an upstream save leaves behind."""
    save(tmp_path, 3)
    checkpoint.place(tmp_path, 6).mkdir()
    (checkpoint.place(tmp_path, 6) / "model.safetensors").write_bytes(b"half")
    found, set_aside = checkpoint.newest(tmp_path, content=CONTENT)
    assert found == checkpoint.place(tmp_path, 3)
    assert "no checkpoint.json" in set_aside[0]


def test_a_checkpoint_of_another_stage_is_never_resumed(tmp_path: Path) -> None:
    save(tmp_path, 3)
    save(tmp_path, 6, content="another stage")
    found, set_aside = checkpoint.newest(tmp_path, content=CONTENT)
    assert found == checkpoint.place(tmp_path, 3)
    assert "belongs to another stage" in set_aside[0]


def test_the_same_step_damaged_twice_is_set_aside_twice(tmp_path: Path) -> None:
    save(tmp_path, 3)
    for _ in range(2):
        flip(save(tmp_path, 6) / "optimizer.pt")
        assert checkpoint.newest(tmp_path, content=CONTENT)[0] == checkpoint.place(tmp_path, 3)
    assert names(tmp_path) == ["damaged-step-00000006-0", "damaged-step-00000006-1", "step-00000003"]


def test_when_no_checkpoint_is_whole_the_run_stops_and_says_what_to_do(tmp_path: Path) -> None:
    for step in (3, 6):
        (save(tmp_path, step) / "model.safetensors").unlink()
    with pytest.raises(OutputFailed, match="no checkpoint is whole") as caught:
        checkpoint.newest(tmp_path, content=CONTENT)
    assert caught.value.exit_code == 74
    assert "model.safetensors is missing" in str(caught.value)


def test_a_checkpoint_under_the_name_of_another_step_is_set_aside(tmp_path: Path) -> None:
    shutil.copytree(save(tmp_path, 3), checkpoint.place(tmp_path, 6))
    found, set_aside = checkpoint.newest(tmp_path, content=CONTENT)
    assert found == checkpoint.place(tmp_path, 3)
    assert "it is of step 3" in set_aside[0]


def test_a_copy_that_the_user_made_is_left_alone(tmp_path: Path) -> None:
    save(tmp_path, 3)
    copy = checkpoint.place(tmp_path, 3).with_name("step-00000003.bak")
    shutil.copytree(checkpoint.place(tmp_path, 3), copy)
    assert step_found(tmp_path) == 3
    checkpoint.prune(tmp_path, keep=1)
    assert copy.exists()


def test_after_all_were_damaged_the_next_call_does_not_start_from_nothing_either(tmp_path: Path) -> None:
    (save(tmp_path, 3) / "model.safetensors").unlink()
    for _ in range(2):
        with pytest.raises(OutputFailed):
            checkpoint.newest(tmp_path, content=CONTENT)


@pytest.mark.parametrize(
    ("number", "error", "words"),
    [
        (errno.ENOSPC, OutputFailed, "disk full"),
        (errno.EIO, OutputFailed, "nput/output error"),
        (errno.EROFS, CannotCreate, "output=FOLDER"),
        (errno.EACCES, CannotCreate, "output=FOLDER"),
    ],
)
def test_a_refusal_of_the_disk_is_one_line_and_leaves_the_older_checkpoint(
    number: int, error: type[Exception], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 3)

    def refuse(path: Path, names: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "settle", refuse)
        with pytest.raises(error, match=words) as caught:
            save(tmp_path, 6)
    assert "\n" not in str(caught.value)
    assert step_found(tmp_path) == 3


def test_a_checkpoint_that_cannot_fit_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.room(tmp_path)
    save(tmp_path, 3)
    checkpoint.room(tmp_path)
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OutputFailed, match="disk full: a checkpoint needs") as caught:
        checkpoint.room(tmp_path)
    assert caught.value.exit_code == 74


LIMITED = """
import resource, signal, sys
from pathlib import Path
from test_checkpoint import save
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from lingshu_train.errors import LingshuError
from lingshu_train.runs import checkpoint
stage = Path(sys.argv[1])
written = checkpoint.staging(stage, 6) / "checkpoint-6"
written.mkdir(parents=True)
(written / "model.safetensors").write_bytes(b"x" * 4096)
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
try:
    checkpoint.commit(stage, written, step=6, content="content-of-the-stage", world_size=1)
except LingshuError as fault:
    print(fault)
    sys.exit(fault.exit_code)
"""


def test_a_file_that_the_system_cuts_short_never_becomes_a_checkpoint(tmp_path: Path) -> None:
    """RLIMIT_FSIZE lets the record be written only in part: the rename, which is the commit, must not happen."""
    save(tmp_path, 3)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
    )
    assert done.returncode == 74, done.stderr
    assert "File too large" in done.stdout
    assert step_found(tmp_path) == 3
