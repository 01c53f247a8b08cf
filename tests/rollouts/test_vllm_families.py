"""The engine vllm answers for every family as its model does: pictures and text alone, the tokens and their chances."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import families
import numpy as np
import pytest
import tiny
import vllm_engine
from families import Kit
from PIL import Image

from lingshu_train import rollouts
from lingshu_train.data import chat
from lingshu_train.record import Prompt, Sample, Sampling
from lingshu_train.rollouts._served import Served

pytestmark = [pytest.mark.slow, vllm_engine.needed]

OTHERS = sorted(set(families.MODELS) - {"qwen2_5_vl", "toy_internvl", "gemma3"})
"""Qwen2.5-VL is held to more of this in test_vllm.py; Gemma 3 is refused (tests/model/families/gemma3)."""
SIZES: dict[str, list[list[tuple[int, int]]]] = {
    "internvl3": [[(56, 56)], [], [(56, 56), (56, 56)]],
    "qwen3_vl": [[(64, 96)], [], [(128, 64), (32, 32)]],
}
"""Of the pictures of each prompt: sizes that neither processor changes. What is resized agrees less closely (docs/families.md)."""
GAP = 1e-4
"""Of the mean difference of chances between trainer and server, over pictures that are resized too."""
GREEDY = Sampling(max_tokens=8, log_probs=True)


@pytest.fixture(scope="module", params=OTHERS)
def kit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    yield families.make(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def engine(kit: Kit) -> Iterator[Served]:
    """One server for both tests of a family."""
    weights = rollouts.Weights(source=str(kit.source), settings=kit.settings)
    with rollouts.start("vllm", {}, where="test", weights=weights) as running:
        assert isinstance(running, Served)
        yield running


def prompts(sizes: list[list[tuple[int, int]]]) -> list[Prompt]:
    """A picture, text alone, and two pictures in one prompt."""
    draw = np.random.default_rng(0)
    found = []
    for number, some in enumerate(sizes):
        images = tuple(
            Image.fromarray(draw.integers(0, 255, (high, wide, 3), dtype=np.uint8)) for wide, high in some
        )
        sample = Sample(
            id=f"q{number}",
            card="drawn",
            split="held_out",
            task="count",
            question="How many bright spots are there?",
            question_type="numeric",
            answer="2",
            images=tuple(map(str, range(len(images)))),
        )
        found.append(Prompt(id=sample.id, messages=chat.prompt(sample, images=True), images=images))
    return found


def test_greedy_answers_and_their_chances_are_those_of_the_model(kit: Kit, engine: Served) -> None:
    asked = prompts(SIZES[kit.settings.family])
    weights = rollouts.Weights(source=str(kit.source), settings=kit.settings)
    with rollouts.start("transformers", {}, where="test", weights=weights) as own:
        ours = list(own.answer(asked, GREEDY))
    theirs = list(engine.answer(asked, GREEDY))
    for one, other in zip(ours, theirs, strict=True):
        assert (one.token_ids, one.text, one.finish) == (other.token_ids, other.text, other.finish)
        assert one.prompt == other.prompt
        assert other.log_probs == pytest.approx(one.log_probs, abs=1e-4)
    assert len({one.log_probs for one in theirs}) == len(theirs)


REWARD = """
from lingshu_train.record import Completion, Sample, Score
from lingshu_train.schema import Strict


class Params(Strict):
    pass


def score(sample: Sample, completion: Completion, params: Params) -> Score:
    return Score(value=sum(completion.token_ids) % 7 / 6, status="scored")
"""


def test_grpo_learns_from_what_a_server_draws_and_goes_on_to_the_same_bits(
    kit: Kit, engine: Served, tmp_path: Path
) -> None:
    """Two windows of two steps: the second is drawn with weights that the first has made, by a server of the stage's own, and when it
    goes on by one that outlives it."""
    (tmp_path / "sevenths.py").write_text(REWARD)
    config = {
        **tiny.grpo(base="base", data=[{"corpus": "data"}], steps=4, save_every=2, per_device_batch=8),
        "rewards": {"mode": "sum", "terms": [{"name": "sevenths", "file": str(tmp_path / "sevenths.py")}]},
        "rollouts": {"engine": "vllm"},
    }
    stage = kit.stage("served", config, "data", "base")
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    whole, weights = tiny.trajectory(stage.path), tiny.weights(stage.path)
    assert all(line["grad_norm"] > 0 for line in whole)
    assert all(line["engine_gap/mean"] < GAP for line in whole)
    shutil.rmtree(stage.path / "checkpoints" / "step-00000004")
    shutil.rmtree(stage.path / "model")
    (stage.path / "manifest.json").unlink()
    stage.config["rollouts"] = vllm_engine.outside(engine, tmp_path / "outside")
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    assert (tiny.trajectory(stage.path), tiny.weights(stage.path)) == (whole, weights)
