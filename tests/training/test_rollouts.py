"""What is drawn of a window hangs on seed, prompt, number and policy alone: not on slices, ranks or what else is asked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny
from layouts import Layout

from lingshu_train.record import Prompt, Sampling
from lingshu_train.rollouts import _generating
from lingshu_train.rollouts._engine import seed_of, seeds_of
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.grpo import windows
from lingshu_train.stages.grpo.run import ExactGRPOTrainer

pytestmark = pytest.mark.slow

SAMPLED = ("reward", "completion_length", "tokens", "samples")


@pytest.fixture
def drawn(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[list[tuple[int, list[int]]]]]:
    """Runs a stage, and gives of each window the row and the tokens of every completion."""

    def run(name: str, **changes: Any) -> list[list[tuple[int, list[int]]]]:
        found: list[list[tuple[int, list[int]]]] = []
        whole = ExactGRPOTrainer._draw

        def draw(self: Any, *args: Any) -> Any:
            ids = whole(self, *args)
            found.append(list(zip(self._rows, ids, strict=True)))
            return ids

        with monkeypatch.context() as patched:
            patched.setattr(ExactGRPOTrainer, "_draw", draw)
            parents = {each: base / each for each in ("short", "warm")}
            config = tiny.grpo(steps=4, save_every=4, **changes)
            stage = tiny.make_stage(tmp_path, name, config, parents=parents)
            tiny.run_here(stage)
        return found

    return run


def test_slices_of_any_size_draw_the_same_completions(drawn: Callable[..., Any]) -> None:
    whole = drawn("whole", rollout_batch=64)
    assert [len(window) for window in whole] == [32, 32]
    for size in (1, 3):
        assert drawn(f"of-{size}", rollout_batch=size)[0] == whole[0]
    texts = {tuple(ids) for _, ids in whole[0]}
    assert len(texts) > 16, "copies of a prompt are drawn apart"
    lengths = {len(ids) for _, ids in whole[0]}
    assert len(lengths) > 1


def test_no_call_is_given_more_than_a_slice_and_the_longest_come_first(
    drawn: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []

    def watched(model: Any, inputs: Any, *args: Any) -> Any:
        given.append(tuple(inputs["input_ids"].shape))
        return _generating.draw(model, inputs, *args)

    monkeypatch.setattr(windows, "draw", watched)
    drawn("watched", rollout_batch=5)
    first = given[: len(given) // 2]
    assert [rows for rows, _ in first] == [5, 5, 5, 5, 5, 5, 2]
    assert [width for _, width in first] == sorted((width for _, width in first), reverse=True)


def test_two_ranks_draw_what_one_draws(straight: Callable[[Layout], Stage]) -> None:
    """In the first window: later ones have other weights, since TRL divides a window into steps on each rank by itself."""
    first, other = (tiny.trajectory(straight(("grpo", world, "none")).path)[0] for world in (1, 2))
    assert {name: first[name] for name in SAMPLED} == {name: other[name] for name in SAMPLED}
    assert first["completion_length"] > 2
    ours, theirs = (kept(straight(("grpo", world, "none"))) for world in (1, 2))
    assert ours == theirs
    assert len(ours) > 4


def kept(stage: Stage) -> list[tuple[str, str]]:
    """Questions and completions of the first window that are kept to be read."""
    lines = map(json.loads, (stage.path / "completions.jsonl").read_text().splitlines())
    return sorted((line["id"], line["completion"]) for line in lines if line["step"] == 1)


def test_a_prompt_that_comes_twice_in_a_window_is_drawn_apart_on_any_number_of_ranks() -> None:
    sampling = Sampling(max_tokens=1, temperature=1.0, seed=5)
    names = ["a", "a", "b", "a", "b", "a"]
    seeds = seeds_of(names, sampling)
    first = {name: seed_of(Prompt(id=name, messages=()), sampling) for name in "ab"}
    assert seeds == [first["a"], first["a"] + 1, first["b"], first["a"] + 2, first["b"] + 1, first["a"] + 3]
    assert max(Counter(seeds).values()) == 1


def test_another_policy_step_or_run_seed_has_other_seeds() -> None:
    found = set()
    for seed, step in ((0, 0), (0, 1), (1, 0), (10, 0), (1, 1)):
        trainer = SimpleNamespace(
            args=SimpleNamespace(seed=seed),
            generation_config=SimpleNamespace(do_sample=True),
            max_completion_length=8,
            temperature=1.0,
            top_p=1.0,
        )
        found.add(seeds_of(["a"], ExactGRPOTrainer._sampling(trainer, step))[0])
    assert len(found) == 5
