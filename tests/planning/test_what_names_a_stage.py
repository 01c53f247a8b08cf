"""A stage is named by all that can change its result and by nothing else: of every key it is said which it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
from layouts import Layout, stage_for
from pydantic import BaseModel

from lingshu_train import naming
from lingshu_train.model.settings import Settings
from lingshu_train.planning import plan, recipe
from lingshu_train.planning.recipe import Block, Document, Recipe
from lingshu_train.runs import checkpoint
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.stage import Stage
from lingshu_train.stages import _kinds as kinds

TRAINING = (
    "kind base data train learning_rate steps epochs per_device_batch warmup_steps schedule weight_decay max_grad_norm "
    "most_too_long watch consented_late optimizer"
)
NAMES = {
    "prepare": "kind cards image_size questions splits card_splits least_side most_refused part prepared made",
    "curate": "kind corpus steps known benchmarks most_withdrawn",
    "build": "kind corpus",
    "sft": f"{TRAINING} accumulation max_length layout max_patches",
    "grpo": f"{TRAINING} rewards group_size rollout_prompts rollout_batch update_prompts temperature kl_coefficient clip_low clip_high "
    "loss ratio_of kl_estimator update_of dynamic_sampling selection max_prompt max_completion rollouts importance_cap "
    "engine_gap_alarm ahead audit alarms curriculum",
    "evaluate": "kind models with_base corpus split tasks policy max_completion per_device_batch rollouts",
    "export": "kind model adapter results",
    "synthesize": "kind corpus split tasks from_cards most_rows pipeline card teacher checker least_kept write_files",
    "difficulty": "kind corpus model split tasks samples temperature max_completion policy least most per_device_batch rollouts",
}
"""Keys that name a stage. A tolerance (`most_...`) is one: it decides whether a result may be there at all."""
NAMES_NO_STAGE = (
    {kind: "" for kind in NAMES}
    | dict.fromkeys(
        ("sft", "grpo"),
        "save_every save_every_minutes save_beside keep keep_finished loader_workers on_divergence deepspeed",
    )
    | {"prepare": "left_out", "synthesize": "budget cache most_unanswered"}
)
"""Keys that no stage is named by: what a teacher may cost and where its replies are kept (of `teacher` itself, where it is asked); when checkpoints are written and how many stay, who opens pictures, and what follows after a
loss that is not finite (which stands beside the stage); the cards that are not read, since those that are name it. How DeepSpeed
divides a stage names it whoever says so, the cluster or the stage."""
MODEL = "family base revision dtype attention quantize gradient_checkpointing min_pixels max_pixels system_prompt shape build"
"""Every key of the model block names every stage: what corpora keep of a picture, too, follows from it."""
CLUSTER = {
    "name": False,
    "device": False,
    "processes": True,
    "deepspeed": True,
    "offload": True,
    "continue_on": False,
    "continue_with": False,
    "threads": False,
    "workers": False,
}
"""Of the cluster block what decides how sums are rounded, in stages that run on every process."""
RECIPE = {"seed"}
"""Of the recipe beside these blocks; a title, notes, trackers, and where a run or its data lies change no bit. What is withdrawn
names the stages that come to it (test_withdrawn.py), and what is left out shows in their cards and shares (test_without.py)."""


@pytest.mark.parametrize("kind", naming.components(kinds.PACKAGE))
def test_it_is_said_of_every_key_of_every_kind(kind: str) -> None:
    found = kinds.config_class(kind)
    assert set(found.unnamed) == set(NAMES_NO_STAGE[kind].split())
    assert set(found.model_fields) - set(found.unnamed) == set(NAMES[kind].split()), (
        "say of a new key here whether it can change a result; if it cannot, name it in the kind's `unnamed`"
    )


def test_it_is_said_of_every_key_of_the_model_the_cluster_and_the_recipe() -> None:
    assert set(Settings.model_fields) == set(MODEL.split())
    blocks = {"model", "cluster", "before", "pipeline", "stages"}
    others = {"name", "title", "output", "data_root", "trackers", "notes", "withdrawn", "without"}
    assert set(Document.model_fields) == RECIPE | blocks | others
    assert set(CLUSTER) <= set(Cluster.model_fields)


def other(value: Any) -> Any:
    """Another value of the same make."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, BaseModel):
        name = next(iter(type(value).model_fields))
        return value.model_copy(update={name: other(getattr(value, name))})
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, tuple | list):
        return type(value)((*value, *value[:1])) if value else (1,)
    if isinstance(value, dict):
        return {} if value else {"x": 1}
    return f"{value}x" if isinstance(value, str) else 7


@pytest.fixture(scope="module")
def chosen() -> Recipe:
    return recipe.load("quickstart")


def content(chosen: Recipe, block: Block, **changes: Any) -> str:
    done = {one.stage.name: one for one in plan.build(chosen).planned}
    made = chosen.model_copy(update=changes)
    return plan._content(made, block, parents=done, world=2)


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("kind", ["prepare", "build", "sft", "grpo", "evaluate", "export"])
def test_a_change_of_each_key_renames_the_stage_or_does_not_as_said(kind: str, chosen: Recipe) -> None:
    block = next(one for one in chosen.stages if one.config.kind == kind)
    named = content(chosen, block)
    for key in type(block.config).model_fields:
        if key in (
            "cards",
            "prepared",
            "consented_late",
            "audit",
        ):  # Read while the name is made; the hash of what they name is part of it.
            continue
        changed = block.config.model_copy(update={key: other(getattr(block.config, key))})
        if changed.parents != block.config.parents:
            continue  # Another parent's content is hashed too.
        again = content(chosen, block.model_copy(update={"config": changed}))
        assert (again != named) == (key in NAMES[kind].split() or key == "deepspeed"), key


def test_a_table_of_consents_names_the_stages_that_read_it_by_its_content_and_none_where_there_is_none(
    chosen: Recipe, tmp_path: Path
) -> None:
    path = tmp_path / "consent.csv"

    def named(since: str) -> dict[str, str]:
        said = f"{{file: {path}, since: {since}}}"
        made = plan.build(recipe.load("quickstart", [f"+stages.deep.consented_late={said}"]))
        return {stage.name: stage.content for stage in made.stages}

    path.write_text("patient,date\na,2026-04-01\n")
    one = named("2026-03-01")
    without = {stage.name: stage.content for stage in plan.build(chosen).stages}
    assert {name for name in one if one[name] == without[name]} == {"data", "base", "shallow"}
    assert named("2026-03-02")["deep"] != one["deep"]
    path.write_text("patient,date\na,2026-04-02\n")
    assert named("2026-03-01")["deep"] != one["deep"]
    block = next(each for each in chosen.stages if each.name == "deep")
    assert "consented_late" not in block.config.naming, "stages from before the key keep their names"


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_so_does_a_change_of_each_key_beside_the_stages(chosen: Recipe) -> None:
    block = next(one for one in chosen.stages if one.config.kind == "sft")
    named = content(chosen, block)
    for key in MODEL.split():
        model = chosen.model.model_copy(update={key: other(getattr(chosen.model, key))})
        assert content(chosen, block, model=model) != named, key
    for key in Cluster.model_fields:
        cluster = chosen.cluster.model_copy(update={key: "zero2" if key == "deepspeed" else other(getattr(chosen.cluster, key))})  # fmt: skip
        renamed = content(chosen, block, cluster=cluster) != named
        assert renamed == (key in ("deepspeed", "offload")), (
            f"{key}: the number of processes counts as it is planned"
        )
    for key in ("title", "output", "data_root", "notes", "trackers", "name"):
        assert content(chosen, block, **{key: other(getattr(chosen, key))}) == named, key
    assert content(chosen, block, seed=7) != named


def test_a_stage_that_is_divided_in_its_own_way_has_the_name_it_has_where_the_cluster_says_so() -> None:
    def names(*overrides: str) -> list[str]:
        return [one.content for one in plan.build(recipe.load("quickstart", overrides), world_size=2).stages]

    plain, own = names("cluster.deepspeed=zero2"), ["+stages.shallow.deepspeed=zero2"]
    assert names(*own)[2] == plain[2] != names()[2]
    assert names(*own)[4] not in (plain[4], names()[4]), (
        "it starts from another model, and is divided as the cluster is"
    )


def test_what_changes_no_result_leaves_the_plan_as_it_is() -> None:
    plain = plan.build(recipe.load("quickstart"))
    settings = ["stages.shallow.keep=1", "stages.instruct.save_every=7", "stages.rl.loader_workers=2"]
    more = ["title=x", "cluster.threads=3", "trackers=[]"]
    changed = plan.build(recipe.load("quickstart", [*settings, *more]))
    assert [stage.content for stage in changed.stages] == [stage.content for stage in plain.stages]
    assert plan.build(recipe.load("quickstart", ["stages.shallow.steps=7"])).digest != plain.digest


@pytest.mark.slow
def test_a_run_resumed_with_other_checkpoints_ends_with_the_same_bits(
    base: Path, straight: Callable[[Layout], Stage], tmp_path: Path
) -> None:
    layout = ("sft", 1, "none")
    stage = stage_for(base, tmp_path, layout)
    tiny.kill_when(tiny.start(stage), lambda: tiny.steps_done(stage) >= 5)
    stage = stage.model_copy(update={"config": {**stage.config, "save_every": 5, "keep": 1}})
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    assert tiny.weights(stage.path) == tiny.weights(straight(layout).path)
    assert tiny.trajectory(stage.path) == tiny.trajectory(straight(layout).path)
    assert json.loads((stage.path / "manifest.json").read_text())["results"]["resumed_at"] == 3
    assert [checkpoint.step_of(folder) for folder in checkpoint.existing(stage.path)] == [12]


def test_a_key_that_came_later_renames_no_stage_with_its_old_meaning(chosen: Recipe) -> None:
    block = next(one for one in chosen.stages if one.config.kind == "sft")
    assert {"consented_late", "optimizer"} <= set(block.config.added)
    for key, before in block.config.added.items():
        assert type(block.config).model_fields[key].default == before
        assert key not in block.config.naming
        changed = block.config.model_copy(update={key: other(before)})
        assert changed.naming[key] == other(before)
