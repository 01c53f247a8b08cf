"""Losses, gradients and weights that are not finite, injected into real stages: none moves a weight, all are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faulty_worker
import pytest
import tiny
import torch
from faulty_worker import Fault, start
from layouts import Layout, stage_for
from trl import SFTTrainer

from lingshu_train.errors import RunAgain, TrainingDiverged
from lingshu_train.kind import Facts
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.training import divergence
from lingshu_train.training.divergence import GoneBack

pytestmark = pytest.mark.slow

Straight = Callable[[Layout], Stage]
SFT: Layout = ("sft", 1, "none")
GRPO: Layout = ("grpo", 1, "none")


def made(base: Path, root: Path, layout: Layout, *, leave_out: int = 0) -> Stage:
    """The stage of a layout, which may go back so often."""
    stage = stage_for(base, root, layout)
    if leave_out:
        stage.config["on_divergence"] = {"leave_out": leave_out}
    return stage


def fault_in(stage: Stage, what: str, *, step: int, times: int = -1, rank: int = -1) -> Fault:
    stage.write()
    return Fault(what=what, step=step, times=times, rank=rank, count=str(stage.path / "count"))


def run_here(stage: Stage, fault: Fault) -> Facts:
    """In this process, beginning anew as a worker does."""
    with pytest.MonkeyPatch.context() as patch:
        faulty_worker.install(fault, patch.setattr)
        while True:
            try:
                return tiny.run_here(stage)
            except GoneBack:
                continue


def finished(stage: Stage, fault: Fault) -> Facts:
    """The stage run to its end; what it tells."""
    if stage.world_size == 1:
        return run_here(stage, fault)
    assert start(stage, fault).wait(timeout=300) == 0, (stage.path / "log.txt").read_text(encoding="utf-8")
    facts: Facts = json.loads((stage.path / "manifest.json").read_text(encoding="utf-8"))["results"]
    return facts


def without(lines: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key not in names} for line in lines]


def warnings(facts: Facts) -> list[str]:
    found = facts["warnings"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("layout", "what", "step", "rank"),
    [
        (("sft", 1, "none"), "loss", 6, -1),
        (("packed", 1, "none"), "gradient", 12, -1),
        (("sft", 2, "none"), "gradient", 6, 1),
        (("grpo", 1, "none"), "loss", 5, -1),
    ],
    ids=str,
)
def test_a_passing_fault_costs_nothing_but_a_line(
    layout: Layout, what: str, step: int, rank: int, base: Path, straight: Straight, tmp_path: Path
) -> None:
    stage = made(base, tmp_path, layout)
    facts = finished(stage, fault_in(stage, what, step=step, times=1, rank=rank))
    plain = straight(layout)
    assert tiny.weights(stage.path) == tiny.weights(plain.path)
    lines = tiny.trajectory(stage.path)
    assert [line["step"] for line in lines if line.get("ran_again") == 1] == [step]
    assert without(lines, "ran_again", "not_finite") == tiny.trajectory(plain.path)
    (told,) = warnings(facts)
    assert f"step {step}: the {'loss is inf' if what == 'loss' else 'gradient norm is nan'}" in told
    assert ("on rank 1 of 2" in told) == (rank == 1)
    assert divergence.returns(stage.path) == ()


def test_a_step_is_run_again_without_a_copy_of_weights_or_gradients(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 7B either would be 33 GB. What is kept is the state of chance, and numbers of the metrics."""
    stage = made(base, tmp_path, SFT)
    again: list[tuple[bool, int, set[type]]] = []
    whole = SFTTrainer.training_step

    def training_step(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.again:
            left = any(weight.grad is not None for weight in self.model.parameters())
            kept = [getattr(self._before, name) for name in self._before.__slots__]
            size = sum(one.numel() * one.element_size() for one in kept if isinstance(one, torch.Tensor))
            numbers = {type(value) for values in self._before.metrics.values() for value in values}
            again.append((left, size, numbers))
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(SFTTrainer, "training_step", training_step)
    finished(stage, fault_in(stage, "loss", step=6, times=1))
    ((left, size, numbers),) = again
    assert not left, "the gradients of the first try are given back before the second begins"
    assert size == torch.get_rng_state().numel()
    assert numbers <= {float, int}


@pytest.mark.parametrize(
    ("layout", "step", "rank"),
    [
        (SFT, 12, -1),
        (("packed", 1, "none"), 5, -1),
        (GRPO, 5, -1),
        (GRPO, 6, -1),
        (("sft", 2, "zero3"), 5, 1),
    ],
    ids=str,
)
def test_a_batch_that_is_never_finite_is_left_out_and_all_other_batches_keep_their_place(
    layout: Layout, step: int, rank: int, base: Path, straight: Straight, tmp_path: Path
) -> None:
    stage = made(base, tmp_path, layout, leave_out=1)
    facts = finished(stage, fault_in(stage, "loss", step=step, rank=rank))
    lines, plain = tiny.trajectory(stage.path), tiny.trajectory(straight(layout).path)
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert [line["samples"] for line in lines] == [line["samples"] for line in plain]
    rates = [{key: value for key, value in line.items() if "learning_rate" in key} for line in lines]
    assert rates == [{key: value for key, value in line.items() if "learning_rate" in key} for line in plain]
    assert lines[: step - 1] == plain[: step - 1]
    left = lines[step - 1]
    assert (left["loss"], left["grad_norm"]) == (None, None)
    assert left["not_finite"].startswith("the loss is inf")
    (once,) = divergence.returns(stage.path)
    assert (once.step, once.steps, len(once.rows)) == (step, (step,), left["left_out"])
    assert once.rows[0].startswith("spots-")
    assert f"step {step}: the loss is inf" in warnings(facts)[0]
    assert facts["not_finite"]["went_back"][0]["step"] == step  # type: ignore[index]
    assert tiny.weights(stage.path) != tiny.weights(straight(layout).path)


def test_a_step_that_is_left_out_moves_nothing(base: Path, straight: Straight, tmp_path: Path) -> None:
    """The last step's: what is left are the weights of the step before."""
    stage = made(base, tmp_path, SFT, leave_out=1)
    run_here(stage, fault_in(stage, "loss", step=12))
    eleven = made(base, tmp_path / "eleven", SFT)
    # The same schedule of twelve steps, stopped by what happens at the last.
    with pytest.raises(TrainingDiverged):
        eleven.config["save_every"] = 11
        run_here(eleven, fault_in(eleven, "loss", step=12))
    (saved,) = (eleven.path / "checkpoints").glob("step-00000011")
    assert (stage.path / "model" / "model.safetensors").read_bytes() == (
        saved / "model.safetensors"
    ).read_bytes()


def test_a_stage_killed_before_and_after_it_went_back_ends_with_the_bits_of_one_that_was_not(
    base: Path, tmp_path: Path
) -> None:
    whole = made(base, tmp_path / "whole", GRPO, leave_out=1)
    run_here(whole, fault_in(whole, "loss", step=6))
    killed = made(base, tmp_path / "killed", GRPO, leave_out=1)
    fault = fault_in(killed, "loss", step=6)
    tiny.kill_when(start(killed, fault), (killed.path / divergence.NAME).exists)
    tiny.kill_when(start(killed, fault), lambda: tiny.steps_done(killed) >= 7)
    assert start(killed, fault).wait(timeout=300) == 0
    assert tiny.weights(killed.path) == tiny.weights(whole.path)
    assert tiny.trajectory(killed.path) == tiny.trajectory(whole.path)
    assert divergence.left_out(killed.path) == {6}


@pytest.mark.parametrize(
    ("layout", "what", "step"),
    [(SFT, "weight", 5), (SFT, "saved", 6), (SFT, "saved", 12), (GRPO, "weight", 7), (GRPO, "weight", 8)],
    ids=str,
)
def test_weights_that_were_spoilt_are_never_saved_and_going_back_gives_the_bits_of_an_undisturbed_run(
    layout: Layout, what: str, step: int, base: Path, straight: Straight, tmp_path: Path
) -> None:
    stage = made(base, tmp_path, layout, leave_out=1)
    run_here(stage, fault_in(stage, what, step=step, times=1))
    assert tiny.weights(stage.path) == tiny.weights(straight(layout).path)
    assert tiny.trajectory(stage.path) == tiny.trajectory(straight(layout).path)
    (once,) = divergence.returns(stage.path)
    assert (once.rows, once.steps) == ((), ()), "the batch was not to blame"
    assert "weight tensors are not finite" in once.what


def test_completions_that_cannot_be_drawn_leave_out_their_window(base: Path, tmp_path: Path) -> None:
    stage = made(base, tmp_path, GRPO, leave_out=1)
    run_here(stage, fault_in(stage, "chances", step=5))
    lines = tiny.trajectory(stage.path)
    assert [line["step"] for line in lines if "left_out" in line] == [5, 6]
    assert "reward/accuracy" not in lines[4]
    assert "reward/accuracy" in lines[6]


def test_a_stage_that_may_not_go_back_stops_and_names_step_rows_and_fault(base: Path, tmp_path: Path) -> None:
    stage = made(base, tmp_path, SFT)
    with pytest.raises(TrainingDiverged, match="nothing of it is saved") as ended:
        run_here(stage, fault_in(stage, "loss", step=2))
    assert str(ended.value).startswith(
        "step 2: the loss is inf, also when its batch was run again (4 rows: spots-"
    )
    assert str(ended.value).endswith(
        "on_divergence: {leave_out: 1} in the stage's block goes on without this batch"
    )
    assert not (stage.path / "model").exists()
    assert all("Infinity" not in json.dumps(line) for line in ledger.steps(stage.path))
    # The key is no part of what the stage is: the choice may be made now.
    stage.config["on_divergence"] = {"leave_out": 1}
    run_here(stage, fault_in(stage, "loss", step=2))
    assert divergence.left_out(stage.path) == {2}


def test_a_stage_goes_back_no_oftener_than_it_may(base: Path, tmp_path: Path) -> None:
    stage = made(base, tmp_path, SFT, leave_out=2)
    with pytest.raises(
        TrainingDiverged, match=r"gone back 2 times before \(steps 2, 2\), as often as it may"
    ):
        run_here(stage, fault_in(stage, "weight", step=2))


def test_going_back_is_running_again_for_whoever_does_not_know_it() -> None:
    assert issubclass(GoneBack, RunAgain)
    assert GoneBack.exit_code == 75


def test_what_follows_a_divergence_does_not_rename_a_stage(tmp_path: Path) -> None:
    from lingshu_train.planning import plan, recipe

    choices = ("+stages.instruct.on_divergence={leave_out: 1}", "+stages.instruct.on_divergence=stop")
    made_plans = [plan.build(recipe.load("quickstart", (choice,))) for choice in choices]
    assert made_plans[0].digest == made_plans[1].digest
