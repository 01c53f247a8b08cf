"""Whatever a manifest vouches for is forced to disk before the manifest is: after a power loss no finished stage is hollow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import tiny

from lingshu_train.hub import describing
from lingshu_train.runs import checkpoint, ledger, manifest, sharing
from lingshu_train.runs.ledger import Ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.stages import _kinds as kinds

OUTPUTS = {
    "prepare": ("corpus/corpus.json", "corpus/rows-00000.arrow", "corpus/images-00000.tar"),
    "curate": ("corpus/corpus.json", "decisions.parquet"),
    "synthesize": ("corpus/corpus.json", "made.parquet", "card/synth_cot_own.md"),
    "difficulty": ("corpus/corpus.json", "pass_rates.parquet"),
    "build": ("model/model.safetensors", "model/tokenizer.json", "model/config.json"),
    "sft": ("model/model.safetensors", "model/chat_template.jinja", "ledger.jsonl"),
    "grpo": ("model/model.safetensors", "ledger.jsonl", "completions.jsonl"),
    "evaluate": ("results.json", "predictions/rl.jsonl"),
    "export": ("export/README.md", "export/model.safetensors", "export/deep/er/file.json"),
}
"""What each kind leaves, as far down as it goes."""


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The inodes that were forced to disk, in order; of a file as large as it was then."""
    found: list[tuple[int, int]] = []
    plain = os.fsync

    def fsync(handle: int) -> None:
        plain(handle)
        state = os.fstat(handle)
        found.append((state.st_ino, state.st_size))

    monkeypatch.setattr(os, "fsync", fsync)
    return found


def settled(forced: list[tuple[int, int]], folder: Path, vouching: str) -> None:
    """Every file below the folder, and each folder on the way, was forced to disk as it is, and the list of them after it."""
    last = {inode: number for number, (inode, _) in enumerate(forced)}
    sizes = dict(forced)
    committed = (folder / vouching).stat().st_ino
    for path in folder.rglob("*"):
        if path.name in (vouching, "stage.json"):
            continue
        state = path.stat()
        assert state.st_ino in last, f"{path} was not forced to disk"
        assert last[state.st_ino] < last[committed], f"{path} came after {vouching}"
        assert path.is_dir() or sizes[state.st_ino] == state.st_size


def stage_of(kind: str, folder: Path) -> Stage:
    config: dict[str, Any] = {"kind": "build", "corpus": "data"}
    made = tiny.make_stage(folder, "stage", config, parents={})
    for name in OUTPUTS[kind]:
        (made.path / name).parent.mkdir(parents=True, exist_ok=True)
        (made.path / name).write_text(f"{name}\n")
    return made


def test_every_kind_is_here() -> None:
    for kind, files in OUTPUTS.items():
        assert all(name.startswith(kinds.config_class(kind).outputs) for name in files)
    assert set(OUTPUTS) <= set(kinds.naming.components(kinds.PACKAGE))


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_stage_is_on_disk_before_its_manifest(
    kind: str, tmp_path: Path, forced: list[tuple[int, int]]
) -> None:
    made = stage_of(kind, tmp_path)
    tiny.finish(made, outputs=list(kinds.config_class(kind).outputs))
    assert set(manifest.read(made.path).files) == set(OUTPUTS[kind])
    settled(forced, made.path, manifest.NAME)


def test_a_stage_taken_from_another_run_is_on_disk_too(tmp_path: Path, forced: list[tuple[int, int]]) -> None:
    made = stage_of("export", tmp_path / "a")
    tiny.finish(made, outputs=["export"])
    here = made.model_copy(update={"folder": str(tmp_path / "b" / "stage")})
    (tmp_path / "b").mkdir()
    forced.clear()
    assert sharing.take(here, [tmp_path / "a"], describing.taken)
    settled(forced, here.path, manifest.NAME)


def test_a_checkpoint_is_on_disk_before_its_list(tmp_path: Path, forced: list[tuple[int, int]]) -> None:
    Ledger(tmp_path).append(1, {})
    written = checkpoint.staging(tmp_path, 1) / "checkpoint-1"
    (written / "global_step1").mkdir(parents=True)
    (written / "global_step1" / "state.pt").write_bytes(b"state")
    ledger.carry(tmp_path, written, step=1)
    folder = checkpoint.commit(tmp_path, written, step=1, content="c", world_size=1)
    settled(forced, folder, checkpoint.NAME)
