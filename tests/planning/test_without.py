"""A recipe without the data cards that one cannot have: what each stage still reads, and the shares that follow."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pytest

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import parts
from lingshu_train.data.order import mix as mixes
from lingshu_train.data.order.mix import Mix
from lingshu_train.errors import RecipeError
from lingshu_train.planning import outline, plan, recipe

GENERAL_TEXT = ["llava_1_5_text", "openhermes_2_5"]


def loaded(names: list[str], name: str = "lingshu_7b") -> recipe.Recipe:
    return recipe.load(name, [f"without=[{','.join(names)}]"])


def contents(made: recipe.Recipe) -> Mapping[str, str]:
    return {stage.name: stage.content for stage in plan.build(made).stages}


def mixture(*shares: float | None, cards: str = "a b c d e") -> list[Mix]:
    return [
        Mix(corpus="data", cards=(name, f"{name}2"), share=share)
        for name, share in zip(cards.split(), shares, strict=False)
    ]


def test_the_open_recipe_reads_all_that_anybody_can_fetch_and_nothing_else() -> None:
    whole, opened = recipe.load("lingshu_7b"), recipe.load("lingshu_7b_open")
    every = {name for block in whole.stages for name in block.config.card_names}
    closed = {
        name
        for name in every
        if any(part.access != "open" or part.by_hand for part in parts.of(cards.load(name)))
    }
    assert set(opened.without) == closed
    assert {name for block in opened.stages for name in block.config.card_names} == every - closed
    mixed = {
        name for block in opened.stages for one in getattr(block.config, "data", ()) for name in one.cards
    }
    assert mixed and not mixed & closed


def test_a_part_keeps_its_share_while_a_card_of_it_is_left() -> None:
    before = recipe.load("lingshu_7b").stages
    after = loaded(["synth_vqa", "mimic_cxr", "allava"]).stages
    shares = [[one.share for one in getattr(block.config, "data", ())] for block in before]
    assert shares == [[one.share for one in getattr(block.config, "data", ())] for block in after]


def test_a_part_that_goes_leaves_its_share_to_the_others_in_proportion() -> None:
    made = loaded(GENERAL_TEXT)
    found = {block.name: block.config for block in made.stages}["instruct"].data
    assert sum(Fraction(str(one.share)) for one in found) == 1, "exactly, so that the stage takes it"
    paper = [0.3817, 0.1697, 0.0245, 0.2827]
    assert [one.share for one in found] == pytest.approx([share / (1 - 0.1414) for share in paper], abs=2e-6)


@pytest.mark.parametrize(
    ("shares", "gone", "after"),
    [
        ((0.5, 0.25, 0.25), "a", (0.5, 0.5)),
        ((0.4, 0.3, 0.3), "c", (0.571429, 0.428571)),
        ((0.25, 0.25, 0.25, 0.25), "d", (0.333334, 0.333333, 0.333333)),
        ((0.5, 0.2, None), "a", (0.4, None)),
        ((0.5, 0.2, None), "c", (0.5, 0.2)),
        ((None, None), "a", (None,)),
    ],
)
def test_shares_follow_the_rule(
    shares: tuple[float | None, ...], gone: str, after: tuple[float | None, ...]
) -> None:
    """Where all have shares they add up to one again; where one has none, it still takes what they leave."""
    found = mixes.without(mixture(*shares), {gone, f"{gone}2"}, where="data")
    assert tuple(one.share for one in found) == after


def test_a_part_that_takes_the_whole_corpus_stays() -> None:
    everything = Mix(corpus="data")
    assert mixes.without([everything], {"a"}, where="data") == (everything,)


def test_only_what_it_reaches_has_another_name_and_the_cards_left_decide_it() -> None:
    paper, without = contents(recipe.load("lingshu_7b")), contents(loaded(["medquad"]))
    changed = [name for name in paper if paper[name] != without[name]]
    assert changed == ["instruct_data", "instruct", "rl", "evaluate", "export"]
    kept = [name for name in recipe.load("lingshu_7b").stages[0].config.card_names if name != "roco"]
    written = recipe.load("lingshu_7b", [f"stages.shallow_data.cards=[{','.join(kept)}]"])
    assert contents(written)["shallow_data"] == contents(loaded(["roco"]))["shallow_data"]


def test_the_plan_says_it_first_and_under_the_stage() -> None:
    made = loaded(["medquad", "roco"])
    lines = outline.text(made, plan.build(made)).splitlines()
    assert "without 2 cards: medquad, roco; their shares go to the others" in lines[:8]
    assert "   without  roco" in lines and "   without  medquad" in lines
    stage = plan.build(made).stages[0]
    assert stage.left_out == ("roco",)


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["medqad"], "without: no stage of the recipe reads a card 'medqad'; did you mean medquad?"),
        (["medquad", "medquad"], "without: medquad stands twice"),
        (
            ["pmc_oa", "roco"],
            "stages.shallow_data.cards: `without` leaves none of pmc_oa, roco; take the stage out of `pipeline`",
        ),
    ],
)
def test_what_cannot_be_left_out_is_refused(names: list[str], line: str) -> None:
    with pytest.raises(RecipeError) as refused:
        loaded(names)
    assert str(refused.value) == line


def test_a_stage_out_of_the_pipeline_may_lose_all_of_its_cards() -> None:
    made = recipe.load(
        "lingshu_7b",
        ["without=[pmc_oa,roco]", "pipeline=[deep_data,deep]", "stages.deep.base=''"],
    )
    assert [block.name for block in made.stages] == ["deep_data", "deep"]


def test_a_mixture_of_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"stages.x.data: `without` leaves no card of any ingredient"):
        mixes.without(mixture(1.0), {"a", "a2"}, where="stages.x.data")


def test_what_was_left_out_is_not_among_the_cards() -> None:
    with pytest.raises(RecipeError, match=r"shallow_data.left_out: roco is among cards too"):
        recipe.load("lingshu_7b", ["+stages.shallow_data.left_out=[roco]"])
