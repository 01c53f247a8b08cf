"""What the processes of a stage see of a machine's GPUs, and of what the user said."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

from lingshu_train.running import launch
from lingshu_train.runs.stage import Stage


def stage(root: Path, world_size: int) -> Stage:
    parents = {name: root / name for name in ("data", "base")}
    return tiny.make_stage(root, "sft", tiny.sft(), parents=parents, world_size=world_size)


@pytest.mark.parametrize(
    ("visible", "first"), [(None, "0"), ("0,1", "0"), ("3,1", "3"), ("MIG-1f,GPU-2e", "MIG-1f"), ("", "")]
)
def test_one_process_sees_one_device(
    visible: str | None, first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(launch.DEVICES, raising=False)
    if visible is not None:
        monkeypatch.setenv(launch.DEVICES, visible)
    assert launch.environment(stage(tmp_path, 1))[launch.DEVICES] == first


def test_several_processes_see_what_the_user_shows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(launch.DEVICES, raising=False)
    assert launch.DEVICES not in launch.environment(stage(tmp_path, 2))
    monkeypatch.setenv(launch.DEVICES, "2,3")
    assert launch.environment(stage(tmp_path, 2))[launch.DEVICES] == "2,3"


def test_what_the_user_says_of_the_allocator_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTORCH_ALLOC_CONF", raising=False)
    assert launch.environment(stage(tmp_path, 1))["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
    monkeypatch.setenv("PYTORCH_ALLOC_CONF", "max_split_size_mb:128")
    assert launch.environment(stage(tmp_path, 1))["PYTORCH_ALLOC_CONF"] == "max_split_size_mb:128"


def test_what_the_user_says_of_it_by_its_old_name_stands_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch reads both, and not everywhere in the same order."""
    monkeypatch.delenv("PYTORCH_ALLOC_CONF", raising=False)
    monkeypatch.setenv(launch.OLD_ALLOCATOR, "max_split_size_mb:128")
    found = launch.environment(stage(tmp_path, 1))
    assert "PYTORCH_ALLOC_CONF" not in found and found[launch.OLD_ALLOCATOR] == "max_split_size_mb:128"
