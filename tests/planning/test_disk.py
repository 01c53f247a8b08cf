"""What a run will write is known before it starts: in the plan, and refused in one line where it has no room."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from lingshu_train.errors import OutputFailed
from lingshu_train.planning import disk, estimate, outline, plan, recipe

SLAKE = ["stages.data.cards=[slake]", "stages.data.splits=[train]", "pipeline=[data,instruct]"]


def built(tmp_path: Path, *overrides: str) -> tuple[recipe.Recipe, plan.Plan, int, int]:
    """A recipe with one training stage, and the bytes of its checkpoint and of its model."""
    chosen = recipe.load("adapt", [*SLAKE, f"output={tmp_path / 'run'}", *overrides])
    made = plan.build(chosen)
    cost = estimate.cost(chosen, made.planned[-1].stage, made.planned[-1].config)
    assert cost is not None
    return chosen, made, cost.checkpoint_bytes, cost.model_bytes


@pytest.mark.parametrize(
    ("overrides", "checkpoints", "models"),
    [
        (["stages.instruct.keep=3"], 4, 0),
        (["stages.instruct.keep=3", "+stages.instruct.keep_finished=0"], 4, 0),
        (["stages.instruct.keep=1"], 2, 0),
    ],
)
def test_a_stage_needs_its_kept_checkpoints_and_one_on_its_way(
    tmp_path: Path, overrides: list[str], checkpoints: int, models: int
) -> None:
    chosen, made, checkpoint, model = built(tmp_path, *overrides)
    assert disk.needed(chosen, made) == checkpoints * checkpoint + models * model


def test_what_lies_there_is_not_needed_again(tmp_path: Path) -> None:
    chosen, made, *_ = built(tmp_path)
    before = disk.needed(chosen, made)
    folder = made.stages[-1].path / "checkpoints" / "step-00000050"
    folder.mkdir(parents=True)
    (folder / "optimizer.pt").write_bytes(bytes(1000))
    assert disk.needed(chosen, made) == before - 1000


def test_two_stages_of_which_the_first_keeps_none_need_less(tmp_path: Path) -> None:
    def both(*more: str) -> int:
        overrides = [*SLAKE[:2], "pipeline=[data,instruct,rl]", f"output={tmp_path}", *more]
        chosen = recipe.load("adapt", overrides)
        return disk.needed(chosen, plan.build(chosen))

    _, _, checkpoint, model = built(tmp_path)
    kept, cleared = both(), both("+stages.instruct.keep_finished=0")
    assert kept == model + checkpoint + 2 * checkpoint
    assert kept - cleared == checkpoint


def test_a_full_disk_is_told_by_the_plan_and_before_the_first_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, made, checkpoint, _ = built(tmp_path)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * checkpoint))
    disk.check(chosen, made)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * checkpoint - 1))
    with pytest.raises(
        OutputFailed, match=r"need about 74\.5 GiB, .* are free; free space, name another place"
    ) as raised:
        disk.check(chosen, made)
    assert "\n" not in str(raised.value)
    assert "disk    74.5 GiB at most" in outline.text(chosen, made)
