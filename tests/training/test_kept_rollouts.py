"""What a GRPO stage keeps of its rollouts: the text the policy was given, and what each term of the reward said."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tiny
from layouts import Layout

from lingshu_train.data import chat
from lingshu_train.runs.results import rollouts
from lingshu_train.runs.stage import Stage

pytestmark = pytest.mark.slow


def test_kept_rollouts_say_what_each_term_gave_and_the_terms_add_up(
    straight: Callable[[Layout], Stage],
) -> None:
    stage = straight(("grpo", 1, "none"))
    weights = {term["name"]: term["weight"] for term in tiny.grpo()["rewards"]["terms"]}
    lines = rollouts(stage.path)
    assert lines
    for line in lines:
        assert line.terms.keys() == weights.keys()
        assert line.reward == pytest.approx(sum(weights[name] * value for name, value in line.terms.items()))


def test_kept_rollouts_carry_the_prompt_that_trl_tokenizes(straight: Callable[[Layout], Stage]) -> None:
    stage = straight(("grpo", 1, "none"))
    text = tiny.processor(stage.path / "model")
    rows = tiny.rows(stage, stage.path / "model", corpus="short")
    samples = {sample.id: sample for sample in tiny.samples(rows)}
    for line in rollouts(stage.path):
        messages = chat.prompt(samples[line.id], images=True)
        given = text.apply_chat_template([messages], tokenize=False, add_generation_prompt=True)[0]
        assert line.prompt == given
        assert line.prompt.count("<|image_pad|>") == len(samples[line.id].images)
        assert line.prompt.endswith("<|im_start|>assistant\n")
        assert line.question_type == "numeric"
