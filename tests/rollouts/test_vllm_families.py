"""The engine vllm answers for every family as its model does: pictures and text alone, the tokens and their chances."""

from __future__ import annotations

from collections.abc import Iterator

import families
import numpy as np
import pytest
import vllm_engine
from families import Kit
from PIL import Image

from lingshu_train import rollouts
from lingshu_train.data import chat
from lingshu_train.record import Prompt, Sample, Sampling

pytestmark = [pytest.mark.slow, vllm_engine.needed]

OTHERS = sorted(set(families.MODELS) - {"qwen2_5_vl", "toy_internvl"})
"""Qwen2.5-VL is held to more of this in test_vllm.py."""
SIZES: dict[str, list[list[tuple[int, int]]]] = {
    "internvl3": [[(56, 56)], [], [(56, 56), (56, 56)]],
    "qwen3_vl": [[(64, 96)], [], [(128, 64), (32, 32)]],
}
"""Of the pictures of each prompt: sizes that neither processor changes. What is resized agrees less closely (docs/families.md)."""
GREEDY = Sampling(max_tokens=8, log_probs=True)


@pytest.fixture(scope="module", params=OTHERS)
def kit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    yield families.make(request.param, tmp_path_factory.mktemp(request.param))


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


def test_greedy_answers_and_their_chances_are_those_of_the_model(kit: Kit) -> None:
    asked = prompts(SIZES[kit.settings.family])
    weights = rollouts.Weights(source=str(kit.source), settings=kit.settings)
    with rollouts.start("transformers", {}, where="test", weights=weights) as own:
        ours = list(own.answer(asked, GREEDY))
    with rollouts.start("vllm", {}, where="test", weights=weights) as engine:
        theirs = list(engine.answer(asked, GREEDY))
    for one, other in zip(ours, theirs, strict=True):
        assert (one.token_ids, one.text, one.finish) == (other.token_ids, other.text, other.finish)
        assert one.prompt == other.prompt
        assert other.log_probs == pytest.approx(one.log_probs, abs=1e-4)
    assert len({one.log_probs for one in theirs}) == len(theirs)
