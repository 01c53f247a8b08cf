"""Who writes which part of a checkpoint, where a snapshot lies, and what of a failure every rank is told."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
import tiny

from lingshu_train import dist
from lingshu_train.errors import LingshuError, OutputFailed
from lingshu_train.naming import file_digest
from lingshu_train.runs import checkpoint, snapshots
from lingshu_train.runs.stage import Stage
from lingshu_train.training.writing import Writer

GIB = 2**30
DIVIDED = {
    "model.safetensors": 33 * GIB,
    "trainer_state.json": 1000,
    **{f"global_step4/bf16_zero_pp_rank_{n}_mp_rank_00_optim_states.pt": 12 * GIB for n in range(12)},
    **{f"rng_state_{n}.pth": 15_000 for n in range(12)},
}


def test_every_file_has_one_rank_and_what_a_rank_wrote_is_its_own() -> None:
    parts = [checkpoint.shared_out(DIVIDED, rank, range(12)) for rank in range(12)]
    assert sorted(name for part in parts for name in part) == sorted(DIVIDED)
    for rank, part in enumerate(parts):
        assert f"rng_state_{rank}.pth" in part
        assert f"global_step4/bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt" in part


def test_what_is_no_ranks_own_is_dealt_by_bytes_and_stays_where_it_was_written() -> None:
    shards = {f"model-{n}.safetensors": 5 * GIB for n in range(8)} | {"config.json": 9, "rng_state_5.pth": 9}
    parts = {rank: checkpoint.shared_out(shards, rank, range(4)) for rank in range(8)}
    assert all(sum(shards[name] for name in parts[rank]) // GIB == 10 for rank in range(4))
    assert [parts[rank] for rank in range(4, 8)] == [[], ["rng_state_5.pth"], [], []]


def test_a_file_that_is_moved_is_whole_hashed_and_gone_where_it_was(tmp_path: Path) -> None:
    source, target = tmp_path / "memory", tmp_path / "disk"
    (source / "deep").mkdir(parents=True)
    data = os.urandom(3 * 2**23 + 17)
    (source / "deep" / "a").write_bytes(data)
    digests = checkpoint.sealed(source, target, ["deep/a"])
    assert (target / "deep" / "a").read_bytes() == data
    assert digests == {"deep/a": file_digest(target / "deep" / "a")}
    assert not (source / "deep" / "a").exists()


def a_stage(tmp_path: Path) -> Stage:
    return tiny.make_stage(tmp_path, "sft", tiny.sft(), parents={})


def written(writer: Writer, step: int, data: bytes = b"weights") -> None:
    folder = writer.begin(step, needed=100) / f"checkpoint-{step}"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(data)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Nothing is forced to disk before this is set."""
    go = threading.Event()
    real = checkpoint.sealed

    def wait(*args: Any, **options: Any) -> dict[str, str]:
        assert go.wait(30)
        return real(*args, **options)

    monkeypatch.setattr(checkpoint, "sealed", wait)
    return go


def test_writing_beside_holds_nobody_and_commits_when_whole(tmp_path: Path, held: threading.Event) -> None:
    stage = a_stage(tmp_path)
    writer = Writer(stage, keep=2, beside=True)
    written(writer, 3)
    assert snapshots.MEMORY in writer.place.parents
    assert writer.place.parent.stat().st_mode & 0o077 == 0, "others on the machine cannot read it"
    writer.commit(3)
    assert writer.busy
    assert checkpoint.existing(stage.path) == []
    held.set()
    writer.settle()
    [only] = checkpoint.existing(stage.path)
    assert checkpoint.problem(only, content=stage.content) is None
    assert checkpoint.read(only).optimizer_steps == 3
    assert not writer.place.exists()
    assert not checkpoint.staging(stage.path, 3).exists()


def test_what_kept_a_checkpoint_from_being_written_is_raised_when_it_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = a_stage(tmp_path)
    writer = Writer(stage, keep=2, beside=True)
    written(writer, 3)
    writer.commit(3)
    writer.settle()

    def full(*args: object, **options: object) -> dict[str, str]:
        raise OSError(28, "No space left on device")

    written(writer, 6)
    monkeypatch.setattr(checkpoint, "sealed", full)
    writer.commit(6)
    with pytest.raises(OutputFailed, match="disk full"):
        writer.settle()
    assert [checkpoint.step_of(one) for one in checkpoint.existing(stage.path)] == [3], (
        "the one before is good"
    )
    assert not checkpoint.staging(stage.path, 6).exists()
    snapshots.drop(stage.path)


def test_a_rank_that_fails_is_told_to_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = a_stage(tmp_path)
    writer = Writer(stage, keep=2, beside=False)
    monkeypatch.setattr(writer, "_gather", lambda told: [told, ({}, OutputFailed("rank 1: disk full"))])
    written(writer, 3)
    with pytest.raises(OutputFailed, match=r"^rank 1: disk full"):
        writer.commit(3)
    assert checkpoint.existing(stage.path) == []


def test_a_file_that_nobody_has_hashed_is_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = a_stage(tmp_path)
    writer = Writer(stage, keep=2, beside=False)
    written(writer, 3)
    monkeypatch.setattr(checkpoint, "shared_out", lambda *_: [])
    with pytest.raises(LingshuError, match=r"nobody has hashed model\.safetensors"):
        writer.commit(3)
    assert checkpoint.existing(stage.path) == []


def test_a_snapshot_needs_room_and_a_folder_that_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MEMORY", tmp_path)
    assert snapshots.fits(tmp_path / "stage", 1000)
    assert not snapshots.fits(tmp_path / "stage", 2**60)
    root = snapshots._root(tmp_path / "stage")
    root.mkdir(mode=0o777)
    root.chmod(0o777)
    assert not snapshots.fits(tmp_path / "stage", 1000), "what others can change is not hashed as ours"
    with pytest.raises(PermissionError):
        snapshots.make(tmp_path / "stage", 3)
    monkeypatch.setattr(snapshots, "MEMORY", tmp_path / "none")
    assert not snapshots.fits(tmp_path / "stage", 0)


def test_without_room_in_memory_it_is_written_where_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = a_stage(tmp_path)
    monkeypatch.setattr(snapshots, "fits", lambda *_: False)
    writer = Writer(stage, keep=1, beside=True)
    for step in (3, 6):
        written(writer, step)
        assert writer.place == checkpoint.staging(stage.path, step)
        writer.commit(step)
    writer.settle()
    assert [checkpoint.step_of(one) for one in checkpoint.existing(stage.path)] == [6]
    assert dist.place().world_size == 1


@pytest.mark.parametrize(("left", "steps"), [(None, [3, 6]), (1, [6]), (0, [])])
def test_a_finished_stage_keeps_what_its_recipe_says(
    tmp_path: Path, left: int | None, steps: list[int]
) -> None:
    stage = tiny.make_stage(tmp_path, "sft", tiny.sft(keep_finished=left), parents={})
    writer = Writer(stage, keep=2, beside=False)
    for step in (3, 6):
        written(writer, step)
        writer.commit(step)
    checkpoint.clear_finished(stage)
    assert [checkpoint.step_of(one) for one in checkpoint.existing(stage.path)] == steps


def test_ranks_deal_out_what_lies_there_when_all_have_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that another rank put down last is in everyone's list, and none is missed that another has moved since."""
    stage = a_stage(tmp_path)
    writer = Writer(stage, keep=1, beside=True)
    written(writer, 3)
    folder = writer.place / "checkpoint-3"
    waits: list[list[str]] = []

    def others() -> None:
        if not waits:
            (folder / "ledger.jsonl").write_bytes(b"{}\n")
        waits.append(list(writer._mine))

    monkeypatch.setattr(dist, "barrier", others)
    writer.commit(3)
    writer.settle()
    assert waits == [[], ["ledger.jsonl", "model.safetensors"]]
    assert sorted(checkpoint.read(checkpoint.place(stage.path, 3)).files) == waits[1]
