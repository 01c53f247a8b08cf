"""A resume loads the checkpoint that was verified or says 75; training that has not come to its end is not saved as done."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch
from layouts import stage_for

from lingshu_train.errors import LingshuError, RunAgain, TrainingDiverged
from lingshu_train.runs import checkpoint, hashes
from lingshu_train.runs.stage import Stage
from lingshu_train.training import session
from lingshu_train.training.exact import Exact, Items


@pytest.fixture(scope="module")
def half(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A stage with checkpoints up to step 6 of 12 and no manifest."""
    stage = stage_for(base, tmp_path_factory.mktemp("half"), ("sft", 1, "none"))
    tiny.run_here(stage)
    for folder in checkpoint.existing(stage.path):
        if checkpoint.step_of(folder) > 6:
            shutil.rmtree(folder)
    shutil.rmtree(stage.path / "model")
    return stage


@pytest.fixture
def stage(half: Stage, tmp_path: Path) -> Stage:
    shutil.copytree(half.path.parent, tmp_path, dirs_exist_ok=True)
    return half.model_copy(update={"folder": str(tmp_path / half.path.name)})


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


@pytest.mark.parametrize(
    ("name", "damage"),
    [(name, Path.unlink) for name in FILES]
    + [("model.safetensors", flip), ("optimizer.pt", flip), ("optimizer.pt", cut)],
)
def test_a_file_that_changes_between_check_and_load_is_75_and_the_next_start_uses_the_one_before(
    name: str, damage: Callable[[Path], None], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = session.resume_point

    def then_damaged(stage: Stage) -> tuple[Path | None, list[str]]:
        found = verified(stage)
        assert found[0] == checkpoint.place(stage.path, 6)
        damage(found[0] / name)
        return found

    monkeypatch.setattr(session, "resume_point", then_damaged)
    with pytest.raises(RunAgain, match=rf"step-00000006: .*{name} (is missing|has changed)") as fault:
        tiny.run_here(stage)
    assert fault.value.exit_code == 75
    assert not (stage.path / "model").exists()
    found, set_aside = verified(stage)
    assert found == checkpoint.place(stage.path, 3)
    assert name in set_aside[0]


def test_an_optimizer_that_starts_anew_is_noticed_by_its_own_count(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the reason, upstream's included."""
    monkeypatch.setattr(Exact, "_load_optimizer_and_scheduler", lambda self, folder: None)
    with pytest.raises(LingshuError, match="loaded with number of optimizer steps 0 and not 6") as fault:
        tiny.run_here(stage)
    assert fault.value.exit_code == 70


def test_training_that_ends_early_is_not_saved_as_done(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a sampler yields fewer items than it says."""
    whole = Items.__iter__
    monkeypatch.setattr(Items, "__iter__", lambda self: iter(list(whole(self))[:-4]))
    with pytest.raises(LingshuError, match="ended at step 11 of 12") as fault:
        tiny.run_here(stage)
    assert fault.value.exit_code == 70
    assert not (stage.path / "model").exists()


def test_weights_that_are_not_finite_are_neither_a_checkpoint_nor_an_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Exact.training_step

    def poisoned(self: Exact, *arguments: object) -> torch.Tensor:
        loss = step(self, *arguments)  # type: ignore[arg-type]
        if self.state.global_step == 8:
            with torch.no_grad():
                next(p for p in self.model.parameters() if p.requires_grad).view(-1)[0] = torch.nan
        return loss

    monkeypatch.setattr(Exact, "training_step", poisoned)
    with pytest.raises(TrainingDiverged, match=r"not finite|is nan"):
        tiny.run_here(stage)
    assert checkpoint.existing(stage.path)[-1] == checkpoint.place(stage.path, 6)


def test_a_whole_resume_hashes_its_checkpoint_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashes, "_SETTLED_NS", 0)
    read: list[str] = []
    hashed = hashes._hash
    monkeypatch.setattr(hashes, "_hash", lambda path: read.append(str(path)) or hashed(path))  # type: ignore[func-returns-value]
    tiny.run_here(stage)
    assert sum("step-00000006/optimizer.pt" in path for path in read) == 1
    assert (stage.path / "model").exists()
