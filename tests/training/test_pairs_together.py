"""Training on counterfactual pairs: both halves in one window, on any number of ranks, killed, traced and replayed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from PIL import Image

from lingshu_train.data.corpus import corpus
from lingshu_train.errors import DataError
from lingshu_train.record import PAIR, Sample, pair_of
from lingshu_train.replaying import again
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.stages import _kinds as kinds
from lingshu_train.tracing import checking
from lingshu_train.tracing import kinds as orders
from lingshu_train.training.config import TrainingConfig

pytestmark = pytest.mark.slow

TERMS = [
    {"name": "pair", "weight": 1.0},
    {"name": "format", "weight": 0.5},
    {"name": "accuracy", "weight": 0.0},
]


def write(folder: Path, *, halves: int = 28, lone: int = 5) -> Path:
    """Pictures with one bright spot or two, halves of pairs in no order, and rows of no pair."""
    draw = np.random.default_rng(1)
    samples = []
    for n in draw.permutation(halves + lone).tolist():
        count = 1 + n % 2
        pixels = draw.integers(0, 60, (56, 56), dtype=np.uint8)
        for spot in range(count):
            pixels[8 + 28 * spot : 18 + 28 * spot, 8:18] = 230
        paired = n < halves
        sample = Sample(
            id=f"row-{n}",
            card="drawn",
            split="train",
            task="count",
            question="How many bright spots?",
            question_type="numeric",
            answer=str(count),
            group=f"picture-{n}",
            modality="drawn",
            parents=(f"{PAIR}{n // 2}",) if paired else (),
        )
        samples.append((sample, (Image.fromarray(pixels).convert("RGB"),)))
    tiny.write_corpus(folder / "corpus", samples)
    prepare = {"kind": "prepare", "cards": ["package_pydicom"], "image_size": 56, "questions": {}}
    tiny.finish(tiny.make_stage(folder.parent, folder.name, prepare, parents={}), outputs=["corpus"])
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("pairs") / "pairs")


def made(root: Path, name: str, base: Path, pairs: Path, *, ranks: int = 1, **changes: Any) -> Stage:
    config = tiny.grpo(
        **{
            "data": [{"corpus": "pairs", "tasks": []}],
            "rewards": {"mode": "sum", "terms": TERMS},
            "loss": "dr_grpo",
            "steps": 8,
            "per_device_batch": 8,
            "save_every": 2,
            **changes,
        }
    )
    parents = {**{each: base / each for each in ("base", "warm")}, "pairs": pairs}
    stage = tiny.make_stage(root, name, config, parents=parents)
    return stage.model_copy(update={"world_size": ranks})


def trained(stage: Stage) -> list[dict[str, Any]]:
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    return tiny.trajectory(stage.path)


def test_windows_hold_whole_pairs_and_a_trace_and_a_replay_know_the_order(
    base: Path, pairs: Path, tmp_path: Path
) -> None:
    stage = made(tmp_path, "straight", base, pairs)
    lines = trained(stage)
    assert all("rewards/pair/status/partner_missing" not in line for line in lines)
    assert any(line.get("rewards/pair/status/this_half_alone", 0) for line in lines), "some are right alone"
    assert all(line["reward/pair"] <= line["reward/accuracy"] for line in lines)

    config = kinds.read(stage.config, where="test")
    assert isinstance(config, TrainingConfig)
    digests, _ = checking.written(stage)
    order = checking.opened(stage, config, digests)
    assert isinstance(order, orders.Windows)
    assert not checking.differing(order, digests, np.arange(1, 9))
    found = corpus.load(pairs / "corpus", split="train")
    assert order.mixture.size == 32, "of five rows of no pair the odd one is left out"
    for window in range(4):
        names = [
            pair_of(found.sample(int(row)).parents)
            for row in order.rows(np.arange(8 * window, 8 * window + 8))
        ]
        assert names[::2] == names[1::2]
    draws = order.draws(np.arange(33))
    for row, first, last in zip(draws.which, draws.first, draws.last, strict=True):
        assert last == first + 1 and int(row) in order.step(int(first)).tolist()

    start = again.start_of(stage, 5)
    scratch = again.scratch_of(stage, tmp_path / "scratch" / "rl", start, device="cpu", threads=0)
    again_lines = again.run(scratch, last=6, tick=lambda _: None)
    assert [ledger.replayable(line) for line in again_lines[4:6]] == lines[4:6]
    shutil.rmtree(tmp_path / "scratch")


def test_two_ranks_score_a_window_as_one_does_and_go_on_to_the_same_bits(
    base: Path, pairs: Path, tmp_path: Path
) -> None:
    one = trained(made(tmp_path, "alone", base, pairs))
    straight, killed = (made(tmp_path, name, base, pairs, ranks=2) for name in ("two", "killed"))
    two = trained(straight)
    same = ("samples", "reward/pair", "reward/accuracy", "rewards/pair/status/both")
    assert [{name: line.get(name) for name in same} for line in two[:2]] == [
        {name: line.get(name) for name in same} for line in one[:2]
    ]
    tiny.kill_when(tiny.start(killed), lambda: tiny.steps_done(killed) >= 5)
    assert trained(killed) == two
    assert tiny.weights(killed.path) == tiny.weights(straight.path)


def test_half_a_pair_is_refused_when_the_stage_starts(base: Path, tmp_path: Path) -> None:
    stage = made(tmp_path, "rl", base, write(tmp_path / "pairs", halves=27, lone=0))
    with pytest.raises(DataError, match="pair:13: 1 of the rows taken are of this pair"):
        tiny.run_here(stage)
