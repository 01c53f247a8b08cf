"""A plan tells how many answers and tokens of each card a stage teaches, as soon as its corpora are made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny

from lingshu_train.data.corpus import corpus, lengths, taught
from lingshu_train.model.settings import Settings
from lingshu_train.planning import plan, recipe, teaching
from lingshu_train.runs import manifest
from lingshu_train.runs.stage import Stage

COUNTS = {"rows": 10, "answers": 25, "tokens": 900, "taught": 120}
OTHER = {"rows": 4, "answers": 4, "tokens": 100, "taught": 9}


def finished(stage: Stage, results: dict[str, object]) -> None:
    stage.path.mkdir(parents=True)
    stage.write()
    here = manifest.environment(device="cpu", processor="", world_size=1, threads=1)
    manifest.write(stage, ran_on=here, results=results, outputs=[], seconds=0.0)


@pytest.fixture
def planned(tmp_path: Path) -> plan.Plan:
    chosen = (
        "stages.instruct.data=[{corpus:instruct_data,cards:[slake]},{corpus:instruct_data,cards:[vqa_rad]}]"
    )
    return plan.build(recipe.load("lingshu_7b", [f"output={tmp_path / 'run'}", chosen]))


def named(planned: plan.Plan, name: str) -> plan.Planned:
    return next(one for one in planned.planned if one.stage.name == name)


def test_nothing_is_told_before_the_data_is_prepared(planned: plan.Plan) -> None:
    assert teaching.lines(named(planned, "instruct_data")) == teaching.lines(named(planned, "instruct")) == []


def test_a_finished_corpus_tells_its_answers_and_what_a_stage_will_teach(planned: plan.Plan) -> None:
    finished(
        named(planned, "instruct_data").stage,
        {
            "cards": {"slake": 10, "vqa_rad": 4, "pmc_vqa": 4},
            "answers": {"slake": 25, "vqa_rad": 4, "pmc_vqa": 4},
            "taught": {"train": {"slake": COUNTS, "vqa_rad": OTHER, "pmc_vqa": OTHER}},
        },
    )
    (holds,) = teaching.lines(named(planned, "instruct_data"))
    assert holds.text.startswith("pmc_vqa 4 rows, 4 answers; slake 10 rows, 25 answers")
    (teaches,) = teaching.lines(named(planned, "instruct"))
    assert teaches.text == (
        "once through all rows: 29 answers of 14 rows, 129 of 1,000 tokens (slake 25 answers, 120 tokens; "
        "vqa_rad 4 answers, 9 tokens)"
    )
    assert teaching.lines(named(planned, "rl")) == [], "a rollout teaches no answer of the corpus"


def test_a_finished_stage_tells_what_it_taught(planned: plan.Plan) -> None:
    for above in ("shallow_data", "shallow", "deep_data", "deep", "instruct_data"):
        finished(named(planned, above).stage, {})
    finished(named(planned, "instruct").stage, {"taught": {"slake": COUNTS}})
    (teaches,) = teaching.lines(named(planned, "instruct"))
    assert teaches.text == (
        "an epoch: 25 answers of 10 rows, 120 of 900 tokens (slake 25 answers, 120 tokens)"
    )


@pytest.mark.slow
def test_answers_and_tokens_are_counted_as_they_are_trained(base: Path, tmp_path: Path) -> None:
    stage = tiny.make_stage(tmp_path, "sft", tiny.sft(), parents={"data": base / "data"})
    rows = tiny.rows(stage, base / "base" / "model")
    found = rows.taught()["drawn"]
    whole, targets = rows.stored(range(len(rows)))
    assert (found.rows, found.answers) == (len(rows), len(rows))
    assert (found.tokens, found.taught) == (sum(whole), sum(targets))
    table = lengths.of(base / "data" / "corpus", str(base / "base" / "model"), Settings(**tiny.MODEL))
    held = corpus.load(base / "data" / "corpus", split="train")
    assert taught.by_card(held, table)["drawn"] == found
    half = replace(held, chosen=held.chosen[: len(held) // 2] if held.chosen is not None else None)
    assert taught.summed([(half, table, 2.0)])["drawn"].rows == 2 * (len(held) // 2)
