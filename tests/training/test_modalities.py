"""Batches with pictures and batches of text alone meet: on two ranks at once, and in one generation window.

Without a guard such ranks fail or never return, so every run here has a limit of time. Guarded, they take the steps that
one rank takes on the same global batches.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import started_there
import tiny
import torch
from layouts import GRPO, SFT
from plain_order import PlainOrder
from stock import Kit, arguments, run_of
from trl import GRPOConfig, GRPOTrainer

from lingshu_train.running import launch
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.grpo.run import ExactGRPOTrainer
from lingshu_train.training.exact import Exact

pytestmark = pytest.mark.slow

HALVES = "TP PT PP TT TP PT"
"""Of each SFT step the first and the second half of the global batch: text alone, or with pictures. One rank each."""

WINDOWS = "TTTTPPPP PPPPTTTT TPTPPTPT"
"""Of each GRPO window its prompts. The first four are one rank's, the others the other's."""

LIMIT = 240
"""Seconds for a run, some ten times what it takes."""


@pytest.fixture(scope="module")
def mixed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two corpora, `data` for SFT and `short` for GRPO, whose samples come in the order above."""
    root = tmp_path_factory.mktemp("mixed")
    row = PlainOrder(32).row
    halves = HALVES.replace(" ", "")
    text = {row(2 * n + one) for n, kind in enumerate(halves) if kind == "T" for one in (0, 1)}
    tiny.draw_corpus(root / "data", seen=lambda n: n not in text)
    prompts = WINDOWS.replace(" ", "")
    unseen = {row(n) for n, kind in enumerate(prompts) if kind == "T"}
    tiny.draw_corpus(root / "short", reasoning=False, seen=lambda n: n not in unseen)
    return root


Make = Callable[..., Stage]


@pytest.fixture
def make(mixed: Path, base: Path, tmp_path: Path) -> Make:
    """A stage of six steps on the mixed corpora."""

    def stage(kind: str, *, world: int, deepspeed: str = "none", **changes: Any) -> Stage:
        if kind == "sft":
            config = tiny.sft(steps=6, save_every=6, per_device_batch=4 // world, **changes)
        else:
            terms = [{"name": "accuracy"}, {"name": "length", "weight": 0.5, "params": {"margin": 8}}]
            rewards = {"mode": "sum", "terms": terms}
            size = 16 // world
            config = tiny.grpo(steps=6, save_every=6, per_device_batch=size, rewards=rewards, **changes)
        parents = {"data": mixed / "data", "short": mixed / "short"}
        parents |= {name: base / name for name in ("base", "warm")}
        name = f"{kind}-{world}-{deepspeed}"
        return tiny.make_stage(
            tmp_path / name, kind, config, parents=parents, deepspeed=deepspeed, world_size=world
        )

    return stage


def run(stage: Stage, *, without_guard: bool = False, flags: tuple[str, ...] = ()) -> str:
    """ "done", "failed", or "hung" where the time is up."""
    argv = launch.command(stage, stage.write())
    if without_guard:
        argv = started_there.worker(argv, "tests.support.unguarded")
    with (stage.path / "log.txt").open("ab") as log:
        process = subprocess.Popen([*argv, *flags], env=launch.environment(stage), stdout=log, stderr=log)
        try:
            return "failed" if process.wait(timeout=LIMIT) else "done"
        except subprocess.TimeoutExpired:
            return "hung"
        finally:
            if process.poll() is None:
                # torchrun's workers lead sessions of their own.
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
                process.wait()


def steps(stage: Stage, **how: Any) -> dict[str, list[float]]:
    """Of a run to its end: loss, gradient norm and what was sampled, step by step."""
    assert run(stage, **how) == "done", (stage.path / "log.txt").read_text()[-3000:]
    lines = tiny.trajectory(stage.path)
    assert len(lines) == 6
    names = ("loss", "grad_norm", "tokens", "reward", "completion_length")
    return {name: [line[name] for line in lines if name in line] for name in names}


# Ranks with different modalities.


@pytest.mark.parametrize("deepspeed", ["none", "zero2", "zero3"])
def test_without_the_guard_ranks_wait_for_each_other_or_lose_their_connection(
    deepspeed: str, make: Make
) -> None:
    stage = make("sft", world=2, deepspeed=deepspeed)
    assert run(stage, without_guard=True) == "failed"
    assert "gloo" in (stage.path / "log.txt").read_text()
    assert tiny.steps_done(stage) == 0, "the first step has text on one rank, pictures on the other"


@pytest.fixture(scope="module")
def one_rank() -> dict[str, dict[str, list[float]]]:
    """The steps of one rank, per layout; run when first asked for."""
    return {}


@pytest.mark.parametrize(
    ("deepspeed", "layout"),
    [("none", "padded"), ("zero2", "padded"), ("zero3", "padded"), ("zero3", "packs")],
)
def test_a_rank_with_text_and_one_with_pictures_take_the_steps_of_one_with_both(
    deepspeed: str, layout: str, make: Make, one_rank: dict[str, dict[str, list[float]]]
) -> None:
    if layout not in one_rank:
        one_rank[layout] = steps(make("sft", world=1, layout=layout))
    found = steps(make("sft", world=2, deepspeed=deepspeed, layout=layout))
    for name, values in one_rank[layout].items():
        assert found[name] == pytest.approx(values, rel=SFT), name


def test_a_divided_vision_tower_is_gathered_for_text_though_it_is_frozen(make: Make) -> None:
    """ZeRO-3 divides frozen parameters too."""
    train = {"train": ["language_model"], "learning_rate": {"language_model": 1e-2}}
    alone = steps(make("sft", world=1, **train))
    found = steps(make("sft", world=2, deepspeed="zero3", **train))
    assert found["loss"] == pytest.approx(alone["loss"], rel=SFT)
    assert found["grad_norm"] == pytest.approx(alone["grad_norm"], rel=SFT)


def test_rollouts_of_text_on_one_rank_and_of_pictures_on_the_other_take_the_same_steps_on_every_layout(
    make: Make,
) -> None:
    """What DDP does when told to look for what did not run is the measure: it needs no guard, and costs a search a step.

    With a KL term, so that there is a second model, which ZeRO-3 divides as it does the first. The first update has no picture
    on any rank: the tower's moments age in it all the same.
    """

    def taken(deepspeed: str, **how: Any) -> dict[str, list[float]]:
        return steps(make("grpo", world=2, deepspeed=deepspeed, kl_coefficient=0.1), **how)

    expected = taken("none", without_guard=True, flags=("--find-unused",))
    assert min(expected["grad_norm"]) > 0.01, "nothing was learned that could differ"
    for deepspeed in ("zero2", "zero3", "none"):
        found = taken(deepspeed)
        assert found["completion_length"] == expected["completion_length"], deepspeed
        for name in ("loss", "grad_norm", "reward"):
            assert found[name] == pytest.approx(expected[name], rel=GRPO, abs=1e-6), (deepspeed, name)


# One window with both.


@pytest.fixture
def kit(mixed: Path, base: Path, make: Make) -> Kit:
    stage = make("grpo", world=1)
    source = base / "warm" / "model"
    rows = tiny.rows(stage, source, corpus="short")
    text = tiny.processor(source)
    return Kit(stage=stage, source=source, rows=rows, text=text)


def rollout(kit: Kit, cls: type, rows: list[int]) -> list[tuple[list[int], torch.Tensor]]:
    """Of each row the completion and its log-probabilities, greedy, two at a time."""
    args = GRPOConfig(
        **arguments(kit.stage.path, per_device_train_batch_size=8),
        num_generations=2,
        max_completion_length=6,
        beta=0.0,
    )
    data = kit.rows.dataset(system="", whole=False)
    trainer = cls(
        model=kit.model(),
        args=args,
        reward_funcs=[lambda completions, **_: [float(len(turn[0]["content"])) for turn in completions]],
        train_dataset=data,
        processing_class=kit.text,
    )
    if issubclass(cls, Exact):
        trainer.begin(run_of(kit, steps=1, per_step=8, row=lambda i: i))
    trainer.generation_config.do_sample = False
    trainer.model.train()
    out = trainer._generate_and_score_completions([data[row] for row in rows for _ in range(2)])
    mask = torch.cat([out["prompt_mask"], out["completion_mask"]], dim=1)
    pictures = ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")
    with torch.no_grad():
        logged, _, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model,
            torch.cat([out["prompt_ids"], out["completion_ids"]], dim=1),
            mask,
            out["completion_ids"].shape[1],
            batch_size=2,
            **{name: out[name] for name in pictures if name in out},
        )
    written = out["completion_mask"].bool()
    return [
        (out["completion_ids"][i][written[i]].tolist(), logged[i][written[i]])
        for i in range(0, 2 * len(rows), 2)
    ]


def test_prompts_in_a_mixed_window_get_the_completions_they_get_alone(kit: Kit) -> None:
    seen = [row for row, sample in enumerate(tiny.samples(kit.rows)) if sample.images][:3]
    text = [row for row, sample in enumerate(tiny.samples(kit.rows)) if not sample.images][:3]
    window = [seen[0], text[0], text[1], seen[1], text[2], seen[2]]
    with pytest.raises(TypeError, match="only a single or a list of entries is supported"):
        rollout(kit, GRPOTrainer, window)
    together = dict(zip(window, rollout(kit, ExactGRPOTrainer, window), strict=True))
    for some in (seen, text):
        for row, (ids, logged) in zip(some, rollout(kit, ExactGRPOTrainer, some), strict=True):
            assert together[row][0] == ids
            assert torch.allclose(together[row][1], logged, rtol=0, atol=1e-5)
    assert len({tuple(ids) for ids, _ in together.values()}) > 1, "all completions alike prove little"
