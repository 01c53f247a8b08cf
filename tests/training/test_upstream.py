"""The methods we override still have the signatures we wrote against; an upgrade that changes one fails here."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import Trainer
from trl import GRPOConfig, GRPOTrainer, SFTTrainer
from trl.models import unwrap_model_for_generation

from lingshu_train.stages.grpo import agreement
from lingshu_train.stages.grpo import run as grpo
from lingshu_train.stages.grpo.run import ExactGRPOTrainer
from lingshu_train.stages.sft.run import ExactSFTTrainer
from lingshu_train.training.exact import UPSTREAM, Exact
from lingshu_train.training.guarded import Guarded

NAMED_OTHERWISE = {(GRPOTrainer, "_get_train_sampler"): ("self", "dataset")}
"""Where TRL renames a parameter of transformers. Callers pass it by position."""

ANYTHING = ("self", "args", "kwargs")

ANY_ARGUMENTS = {"create_model_card"}
"""Overridden to do nothing, whatever it is called with."""


def parameters(function: Any) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def overridden(ours: type) -> list[str]:
    """Methods of our class that a class of transformers or TRL has too."""
    theirs = {name for base in (Trainer, SFTTrainer, GRPOTrainer) for name in dir(base)}
    return [name for name, value in vars(ours).items() if inspect.isfunction(value) and name in theirs]


@pytest.mark.parametrize("name", UPSTREAM)
def test_transformers_has_the_method_with_the_parameters_we_override(name: str) -> None:
    assert parameters(getattr(Trainer, name)) == UPSTREAM[name]


@pytest.mark.parametrize("name", UPSTREAM)
@pytest.mark.parametrize("trl", [SFTTrainer, GRPOTrainer])
def test_trl_passes_on_the_parameters_we_override(trl: type, name: str) -> None:
    found = parameters(getattr(trl, name))
    assert found in (NAMED_OTHERWISE.get((trl, name), UPSTREAM[name]), ANYTHING)


@pytest.mark.parametrize("name", grpo.UPSTREAM)
def test_trl_has_the_grpo_method_with_the_parameters_we_override(name: str) -> None:
    assert parameters(getattr(GRPOTrainer, name)) == grpo.UPSTREAM[name]


@pytest.mark.parametrize("ours", [Guarded, Exact, ExactSFTTrainer, ExactGRPOTrainer])
def test_every_method_we_override_is_named_and_takes_the_same_parameters(ours: type) -> None:
    named = UPSTREAM | grpo.UPSTREAM
    for name in overridden(ours):
        if name in ANY_ARGUMENTS or name.startswith("__"):
            continue
        assert name in named, f"{ours.__name__}.{name} overrides upstream, but UPSTREAM does not name it"
        found = parameters(getattr(ours, name))
        # What it only passes on it may take as it comes.
        own = found[:-1] if found[-1] == "given" else found
        assert own == named[name][: len(own)]
        assert own != found or found == named[name]


@pytest.mark.parametrize("ours", [ExactSFTTrainer, ExactGRPOTrainer])
def test_our_methods_come_before_those_of_trl(ours: type) -> None:
    order = inspect.getmro(ours)
    assert order.index(Exact) < order.index(SFTTrainer if ours is ExactSFTTrainer else GRPOTrainer)
    for name in UPSTREAM:
        owner = next(one for one in order if name in vars(one))
        assert issubclass(owner, Guarded), f"{name} of {owner.__name__} hides ours"


@pytest.mark.parametrize("name", ["_load_rng_state", "_step", "_buffered_inputs"])
def test_what_we_use_but_do_not_override_is_still_there(name: str) -> None:
    """_load_rng_state is called by us; the other two are why GRPO checkpoints lie on window borders only (R3)."""
    source = inspect.getsource(GRPOTrainer) + inspect.getsource(Trainer)
    assert name in source


def test_the_policy_is_unwrapped_as_trl_unwraps_it_to_generate() -> None:
    wanted = {"model", "accelerator", "gather_deepspeed3_params", "gradient_checkpointing_kwargs"}
    assert wanted <= set(parameters(unwrap_model_for_generation))
    assert "unwrap_model_for_generation(" in inspect.getsource(GRPOTrainer)


def test_trl_weighs_tokens_by_the_ratio_of_trainer_and_engine_as_agreement_asks_it() -> None:
    """Its switch for engines of its own is set for ours (agreement.begin), after its constructor, which would start one."""
    trainer = SimpleNamespace(run=SimpleNamespace(stage=SimpleNamespace(name="rl")))
    agreement.begin(trainer, SimpleNamespace(importance_cap=2.0, engine_gap_alarm=None, ahead=0))
    set_by_us = set(vars(trainer)) - {"run"}
    assert set_by_us <= set(GRPOConfig.__dataclass_fields__)
    score = inspect.getsource(GRPOTrainer._generate_and_score_completions)
    learn = inspect.getsource(GRPOTrainer._compute_loss)
    assert all(f"self.{name}" in score for name in set_by_us)
    assert 'per_token_loss * inputs["importance_sampling_ratio"]' in learn
