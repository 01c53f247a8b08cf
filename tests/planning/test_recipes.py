"""Every recipe resolves to its committed plan, Lingshu's to the numbers of the paper, and planning needs no torch.

`python tests/planning/test_recipes.py --write` writes the plans again; look at the difference before committing it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import yaml

from lingshu_train import cli, environment, verify
from lingshu_train.data.cards import card as cards
from lingshu_train.errors import RecipeError
from lingshu_train.planning import outline, plan, recipe

GOLDEN = Path(__file__).parents[1] / "golden"
ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "trl", "deepspeed", "accelerate", "datasets", "huggingface_hub")
TITLE = "\n\nresolved, defaults included:\n"


LEFT_OPEN = {
    one: (
        "stages.data.cards=[slake]",
        "+stages.data.card_splits={slake: {train: train, validation: held_out}}",
    )
    for one in ("adapt", "adapt_24gb", "adapt_48gb", "adapt_80gb", "adapt_lora", "adapt_tiny")
}
"""What a recipe leaves to the user: here, some card."""


def given(name: str) -> tuple[str, ...]:
    return LEFT_OPEN.get(name, ())


def golden_text(name: str) -> str:
    """The plan as printed, then every value of every stage. Without what depends on the machine or the version:
    where the output lies, which data and which models are here, and the digests in the folders' names."""
    loaded = recipe.load(name, given(name))
    with (
        mock.patch.object(cards, "root", lambda card, data_root: None),
        mock.patch.object(environment, "hub_cache", lambda: Path("nowhere")),
    ):
        built = plan.build(loaded)
        text = outline.text(loaded, built)
    text = re.sub(r"-[0-9a-f]{12}$", "-<digest>", text, flags=re.MULTILINE)
    text = text.replace(built.output, loaded.output)
    resolved = {
        "seed": loaded.seed,
        "model": loaded.model.model_dump(mode="json"),
        "cluster": loaded.cluster.model_dump(mode="json"),
        "stages": {block.name: block.config.model_dump(mode="json") for block in loaded.stages},
    }
    return text + TITLE + yaml.safe_dump(resolved, sort_keys=False, width=110, allow_unicode=True)


def place(name: str) -> Path:
    return GOLDEN / f"plan_{name}.txt"


@pytest.mark.parametrize("name", recipe.names())
def test_a_recipe_resolves_to_its_committed_plan(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    again = "if the change is meant: python tests/planning/test_recipes.py --write"
    assert place(name).is_file(), f"no golden plan; {again}"
    assert golden_text(name) == place(name).read_text(encoding="utf-8"), again


def test_no_golden_plan_outlives_its_recipe() -> None:
    assert sorted(path.name for path in GOLDEN.glob("plan_*.txt")) == [
        place(name).name for name in recipe.names()
    ]


IMPORTS = """
import json, sys
from lingshu_train import cli
code = cli.main(["plan", sys.argv[1], *json.loads(sys.argv[2])])
print(json.dumps([code, sorted(set(sys.modules) & set(sys.argv[3:]))]), file=sys.stderr)
"""


LIGHT = ("quickstart", "adapt_lora", "lingshu_7b_rl", "lingshu_synthesis")
"""Between them every kind of stage: a process each."""


def test_the_recipes_planned_alone_have_every_kind_of_stage() -> None:
    kinds = {block.config.kind for name in recipe.names() for block in recipe.load(name, given(name)).stages}
    assert kinds == {block.config.kind for name in LIGHT for block in recipe.load(name, given(name)).stages}


@pytest.mark.parametrize("name", LIGHT)
def test_planning_imports_nothing_heavy(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, name, json.dumps(given(name)), *HEAVY],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    code, heavy = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    assert heavy == []
    assert done.stdout.startswith(f"{name}: ")
    assert not list(tmp_path.iterdir()), "a plan writes nothing"


def stages(name: str, *overrides: str) -> dict[str, Any]:
    return {block.name: block.config for block in recipe.load(name, overrides).stages}


@pytest.mark.parametrize("name", ["lingshu_7b", "lingshu_32b", "lingshu_i_8b"])
def test_the_supervised_stages_have_every_number_of_the_paper(name: str) -> None:
    """Section 3 and figure 6: parts, learning rates, epochs, warm-up, schedule, length, batch, accumulation, packing."""
    found = stages(name)
    vision, projector, llm = "vision_tower", "merger", "language_model"
    rates = {vision: 2e-6, projector: 1e-5, llm: 1e-5}
    paper = {
        "shallow": {"train": {vision, projector}, "epochs": 1, "packs": False},
        "deep": {"train": {vision, projector, llm}, "epochs": 1, "packs": False},
        "instruct": {"train": {vision, projector, llm}, "epochs": 2, "packs": True},
    }
    for stage, stated in paper.items():
        config = found[stage]
        assert set(config.train) == stated["train"]
        assert config.learning_rate == {part: rates[part] for part in stated["train"]}
        assert config.epochs == stated["epochs"]
        assert config.steps is None
        assert config.packs is stated["packs"]
        assert (config.warmup_steps, config.schedule, config.max_length) == (100, "cosine", 8192)
        assert config.per_device_batch * config.accumulation == 8, "a GPU and step; the paper's are 1 and 8"
        assert config.layout == ("packs" if stated["packs"] else "end_to_end")


def test_the_reinforcement_stage_has_every_number_of_the_paper() -> None:
    """Section 3.4: GRPO, 16 responses, 512 rollout and 128 update prompts, 1e-6, temperature 1, KL 1e-3, 0.5 + 1."""
    rl = stages("lingshu_7b")["rl"]
    assert rl.kind == "grpo"
    assert (rl.group_size, rl.rollout_prompts, rl.update_prompts) == (16, 512, 128)
    assert set(rl.learning_rate.values()) == {1e-6}
    assert set(rl.train) == {"vision_tower", "merger", "language_model"}
    assert (rl.temperature, rl.kl_coefficient, rl.epochs) == (1.0, 1e-3, 1)
    assert rl.max_completion < 4096, "4,096 tokens in all, prompt and images included"
    assert rl.rewards.mode == "sum"
    assert {term.name: term.weight for term in rl.rewards.terms} == {"format": 0.5, "accuracy": 1.0}
    assert rl.window == 4
    assert rl.save_every % rl.window == 0


def test_the_instruction_mixture_has_the_group_sizes_of_the_paper_and_leaves_no_card_out() -> None:
    """Table 10: medical multimodal 2.7M, general multimodal 1.2M, general text 1M, medical text 173K, captions 2M."""
    found = stages("lingshu_7b")
    mixes = found["instruct"].data
    paper = [2.7e6, 1.2e6, 1.0e6, 0.173e6, 2.0e6]
    assert [mix.share for mix in mixes] == pytest.approx([size / sum(paper) for size in paper], abs=2e-4)
    assert sum(Fraction(str(mix.share)) for mix in mixes) == 1
    named = [card for mix in mixes for card in mix.cards]
    assert sorted(named) == sorted(found["instruct_data"].cards)


def test_the_clean_recipe_is_the_paper_s_with_another_slake_and_the_unseen_questions_beside_the_test() -> (
    None
):
    paper, clean = stages("lingshu_7b"), stages("lingshu_7b_clean")

    def swapped(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple("slake_clean" if name == "slake" else name for name in names)

    for name in ("instruct_data", "rl_data"):
        assert clean[name].cards == swapped(paper[name].cards)
    assert [mix.cards for mix in clean["instruct"].data] == [
        swapped(mix.cards) for mix in paper["instruct"].data
    ]
    assert [mix.share for mix in clean["instruct"].data] == [mix.share for mix in paper["instruct"].data]
    added = [card for card in clean["benchmarks"].cards if card not in paper["benchmarks"].cards]
    assert added == ["slake_unseen_test"]
    assert [card for card in clean["benchmarks"].cards if card != added[0]] == list(paper["benchmarks"].cards)
    assert "slake" not in {card for config in clean.values() for card in config.card_names}


def test_the_reinforcement_selection_keeps_yes_no_at_five_percent() -> None:
    selection = stages("lingshu_7b")["rl"].selection
    assert (selection.yes_no_share, selection.open_words, selection.size) == (0.05, True, 100_000)
    assert set(selection.balance) == {"modality", "question_type"}


def test_the_stages_follow_one_another_as_in_the_paper() -> None:
    found = stages("lingshu_7b")
    assert [found[name].base for name in ("shallow", "deep", "instruct", "rl")] == [
        "",
        "shallow",
        "deep",
        "instruct",
    ]
    assert recipe.load("lingshu_7b").model.base == "Qwen/Qwen2.5-VL-7B-Instruct"
    assert recipe.load("lingshu_32b").model.base == "Qwen/Qwen2.5-VL-32B-Instruct"
    assert recipe.load("lingshu_i_8b").model.base == "OpenGVLab/InternVL3-8B-hf"


def test_the_data_sets_of_each_stage_are_those_of_the_paper() -> None:
    """Section 2 tables 1-3 and section 3.4, by the names of their cards; the data the authors made is synth_*."""
    found = stages("lingshu_7b")
    assert set(found["shallow_data"].cards) == {"pmc_oa", "roco"}
    assert {"rocov2", "llava_med_alignment", "quilt_llava_pretrain", "pubmedvision", "mimic_cxr_findings"} | {
        "fairvlmed",
        "medicat",
        "medpix_2",
        "synth_long_captions",
        "llava_1_5_pretrain",
        "pixmo_cap",
    } == set(found["deep_data"].cards)
    assert set(found["rl_data"].cards) == {
        *("mimic_ext_cxr_vqa", "pmc_vqa", "kvasir_vqa", "path_vqa", "slake", "vqa_med_2019", "vqa_rad"),
        "synth_vqa",
    }
    assert len(found["instruct_data"].cards) == len(set(found["instruct_data"].cards))


@pytest.mark.parametrize("name", recipe.names())
def test_the_parameter_counts_of_a_plan_are_those_of_the_model(name: str) -> None:
    """The real class on the meta device, which takes no memory."""
    import torch

    from lingshu_train.model import family, parts

    settings = recipe.load(name, given(name)).model
    architecture = family.of(settings.family)
    words = SimpleNamespace(convert_tokens_to_ids=len, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    with torch.device("meta"):
        model = architecture.build_model(settings.shape, words, initializer_range=0.02, seed=0)
    assert settings.shape.parameters() == parts.counts(architecture, model)


def test_the_3b_model_has_as_many_parameters_as_its_publisher_counts() -> None:
    """3,754,622,976: `total` of the published safetensors."""
    assert sum(recipe.load("adapt", given("adapt")).model.shape.parameters().values()) == 3_754_622_976


def test_a_recipe_for_own_data_says_what_it_leaves_to_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "adapt"]) == 78
    said = capsys.readouterr().err
    assert said.startswith(
        "lingshu: recipe adapt: stages.data.cards: left to you: stages.data.cards=VALUE on the command"
    )
    assert said.count("\n") == 1


@pytest.mark.parametrize(("name", "more"), [("adapt", "rl"), ("adapt_tiny", "rl_tiny")])
def test_one_word_adds_reinforcement_to_the_recipe_for_own_data(name: str, more: str) -> None:
    plain, longer = stages(name, *given(name)), stages(name, *given(name), f"+with={more}")
    assert [*plain][:-2] == [*longer][:-3]
    assert [*longer][-3:] == ["rl", "evaluate", "export"]
    assert longer["rl"].base == "instruct"
    assert longer["evaluate"].asked == ("base", "instruct", "rl"), "before, between, after, on the same rows"
    assert longer["export"].model == "rl"


def test_the_model_a_recipe_starts_from_cannot_be_asked_where_there_is_none() -> None:
    with pytest.raises(RecipeError, match=r"stages\.evaluate\.with_base: true, and model\.base is empty"):
        plan.build(
            recipe.load("quickstart", ["+stages.evaluate.with_base=true", "stages.evaluate.models=[rl]"])
        )
    with pytest.raises(RecipeError, match="'base' is what with_base calls"):
        recipe.load("adapt_tiny", [*given("adapt_tiny"), "stages.evaluate.with_base=true"])


def contents(*overrides: str, world_size: int | None = None) -> dict[str, str]:
    built = plan.build(recipe.load("quickstart", overrides), world_size=world_size)
    return {stage.name: stage.content for stage in built.stages}


def changed(*overrides: str, world_size: int | None = None) -> set[str]:
    """Stages of quickstart whose content, and so whose folder, an override changes."""
    before, after = contents(), contents(*overrides, world_size=world_size)
    return {name for name in before if before[name] != after[name]}


def test_a_change_renames_the_stages_it_reaches_and_no_other() -> None:
    everything = {"data", "base", "shallow", "deep", "instruct", "rl", "evaluate", "export"}
    assert changed("stages.rl.temperature=0.9") == {"rl", "evaluate", "export"}
    assert changed("stages.deep.steps=61") == {"deep", "instruct", "rl", "evaluate", "export"}
    assert changed("stages.data.image_size=84") == everything
    assert changed("seed=1") == everything
    assert changed("model.min_pixels=1568") == everything


def test_where_a_run_lies_and_how_many_threads_it_uses_do_not_rename_a_stage() -> None:
    assert changed("output=elsewhere", "data_root=there", "cluster.threads=4", "title=another") == set()


def test_the_layout_of_the_processes_renames_only_the_stages_that_run_on_all_of_them() -> None:
    on_all = {"shallow", "deep", "instruct", "rl", "evaluate", "export"}
    assert changed(world_size=2) == on_all
    two = contents(world_size=2)
    zero2 = contents("cluster.deepspeed=zero2", world_size=2)
    assert {name for name in two if two[name] != zero2[name]} == on_all
    assert changed("cluster.deepspeed=zero2") == set(), "one process divides nothing"


def test_changed_rules_of_the_verifier_rename_the_stages_that_judge_and_what_descends_from_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = contents()
    monkeypatch.setattr(verify, "version", lambda: "changed")
    assert set(before.items()).isdisjoint(contents().items()), "all descend from the prepared data"


def test_a_changed_card_renames_the_stages_that_descend_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents()
    real = cards.load

    def load(name: str, **where: Any) -> Any:
        found = real(name, **where)
        if name != "package_pydicom":
            return found
        block = found.lingshu.model_copy(update={"language": ("changed",)})
        return found.model_copy(update={"lingshu": block})

    monkeypatch.setattr(cards, "load", load)
    assert set(before.items()).isdisjoint(contents().items())


def test_a_recipe_of_the_user_builds_on_one_of_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("defaults: [quickstart, _self_]\nname: mine\nstages: {rl: {steps: 8, save_every: 8}}\n")
    assert cli.main(["plan", str(mine)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("mine: ")
    assert "steps=8" in shown


if __name__ == "__main__" and "--write" in sys.argv:
    for one in recipe.names():
        place(one).write_text(golden_text(one), encoding="utf-8")
