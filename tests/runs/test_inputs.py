"""Whatever a stage reads is what the stage before it left; what has not changed is not hashed twice."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import made_up_run
import pytest

from lingshu_train.errors import DataError, LingshuError
from lingshu_train.runs import hashes, inputs, manifest, run
from lingshu_train.runs.stage import Stage
from lingshu_train.runs.stage import read as read_stage


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return made_up_run.build(tmp_path / "run", questions=3)


def stages(folder: Path) -> list[Stage]:
    found = run.read(folder)
    return [read_stage(found.folder(entry) / "stage.json") for entry in found.stages]


def reader(folder: Path) -> Stage:
    """A stage that reads files of another."""
    return next(stage for stage in stages(folder) if _read(stage))


def _read(stage: Stage) -> list[Path]:
    return [path for parent in stage.parents for path, _ in inputs._vouched(stage, parent)]


def check(stage: Stage, world: int = 1) -> manifest.Verified:
    every = [inputs.check(stage, rank=rank, world_size=world) for rank in range(world)]
    return inputs.settle(stage, every, first=True).verified


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def flip_and_set_the_time_back(path: Path) -> None:
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap(path: Path) -> None:
    """Another file of the same size and time, under this name."""
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(bytes(len(path.read_bytes())))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("damage", [flip, flip_and_set_the_time_back, swap, Path.unlink])
@pytest.mark.parametrize("known", [False, True])
def test_damage_to_an_input_is_one_line_that_names_the_file_and_what_to_do(
    damage: Callable[[Path], None], known: bool, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "_SETTLED_NS", 0)
    stage = reader(finished)
    if known:
        time.sleep(0.05)
        check(stage)
        assert check(stage).read == 0, "all is known"
    victim = _read(stage)[0]
    damage(victim)
    with pytest.raises(
        DataError, match=f"{victim}: is (damaged|missing).*; restore it .* move .* away"
    ) as fault:
        check(stage)
    assert fault.value.exit_code == 65
    assert "\n" not in str(fault.value) and "delete" not in str(fault.value)


def test_what_is_unchanged_is_not_read_twice_and_what_was_written_just_now_is(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = reader(finished)
    first = check(stage)
    assert first.read > 0 and first.known == 0
    assert check(stage).read == first.read, "two seconds have not passed"
    monkeypatch.setattr(hashes, "_SETTLED_NS", 0)
    time.sleep(0.05)
    check(stage)
    again = check(stage)
    assert (again.read, again.known) == (0, first.read)


def test_ranks_share_the_work_and_find_the_same(finished: Path) -> None:
    stage = reader(finished)
    assert check(stage, world=3).read == check(stage).read
    flip(_read(stage)[0])
    with pytest.raises(DataError, match="is damaged"):
        check(stage, world=3)


@pytest.mark.parametrize("content", [b"", b"{", b'{"files": {}, "digest": "x"}', b"\xff"])
def test_a_damaged_memory_of_hashes_costs_time_only(
    content: bytes, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "_SETTLED_NS", 0)
    stage = reader(finished)
    time.sleep(0.05)
    read = check(stage).read
    (finished / hashes.NAME).write_bytes(content)
    assert check(stage).read == read


def test_a_memory_that_was_changed_by_hand_is_not_believed(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "_SETTLED_NS", 0)
    stage = reader(finished)
    time.sleep(0.05)
    check(stage)
    path = finished / hashes.NAME
    victim = _read(stage)[0]
    flip(victim)
    now, table = victim.stat(), json.loads(path.read_text())
    entry = table["files"][str(victim.relative_to(finished))]
    entry |= {"inode": now.st_ino, "modified_ns": now.st_mtime_ns, "changed_ns": now.st_ctime_ns}
    path.write_text(json.dumps(table))
    with pytest.raises(DataError):
        check(stage)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"stage":', b"\xff\xfe", b"[]"])
def test_a_damaged_manifest_is_never_done(content: bytes, finished: Path) -> None:
    stage = reader(finished)
    parent = stage.parent(next(iter(stage.parents)))
    (parent / manifest.NAME).write_bytes(content)
    for ask in (lambda: check(stage), lambda: manifest.done(parent)):
        with pytest.raises(LingshuError, match=r"manifest\.json.*move .* away") as fault:
            ask()
        assert fault.value.exit_code == 65


def test_a_manifest_of_another_stage_is_not_taken_for_this_one(finished: Path) -> None:
    one, two = stages(finished)[:2]
    (two.path / manifest.NAME).write_bytes((one.path / manifest.NAME).read_bytes())
    with pytest.raises(DataError, match=r"is of another stage \(prepare, "):
        manifest.finished(two)


def test_a_finished_stage_is_skipped_only_while_its_files_are_there(finished: Path) -> None:
    made = [
        stage for stage in stages(finished) if manifest.done(stage.path) and manifest.read(stage.path).files
    ]
    assert all(manifest.finished(stage) for stage in made)
    for stage in made:
        victim = stage.path / next(iter(manifest.read(stage.path).files))
        data = victim.read_bytes()
        for damage, words in (
            (flip, "has changed"),
            (Path.unlink, "is missing"),
            (lambda path: path.write_bytes(path.read_bytes() + b"x"), "bytes and not"),
        ):
            damage(victim)
            with pytest.raises(DataError, match=words):
                manifest.finished(stage)
            victim.write_bytes(data)


def test_what_is_read_outside_its_run_is_checked_too(finished: Path) -> None:
    stage = stages(finished)[0]
    inputs.whole(stage.path, "corpus")
    files = manifest.read(stage.path).files
    flip(stage.path / next(name for name in files if name.startswith("corpus/")))
    with pytest.raises(DataError, match="is damaged"):
        inputs.whole(stage.path, "corpus")
