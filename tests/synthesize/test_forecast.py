"""A plan says what synthesis will cost before anything is asked, and after a part was asked, what the rest will."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import curating
import pytest
import teaching
import tiny
from batching import BatchTeacher, batching

from lingshu_train.data.corpus import corpus
from lingshu_train.stages.synthesize.config import Config
from lingshu_train.synthesize import _forecast, _pipelines
from lingshu_train.synthesize._settings import Batching


def forecast(config: Config, parent: Path, run: Path) -> _forecast.Forecast:
    pipeline = _pipelines.load(config.pipeline, where="pipeline")
    found = corpus.load(parent / "corpus", split="train")
    return _forecast.of(
        found, pipeline, config.teacher, config.second, kept=config.kept_in(run), most=config.most_rows
    )


def test_the_forecast_is_what_is_asked_then(tmp_path: Path) -> None:
    rows, answers = teaching.questions(120)
    parent = curating.corpus(tmp_path / "raw", rows)
    with teaching.teaching(teaching.reasoner(answers)) as teacher:
        made = teaching.stage(
            tmp_path, parent, teacher, params={"blanks": 1}, asking={"price_in": 1.0, "price_out": 4.0}
        )
        config = Config.model_validate_json(json.dumps(made.config))
        before = forecast(config, parent, tmp_path)
        assert (before.rows, before.sample, before.known, before.measured) == (120, 50, 0.0, False)
        assert before.requests == 120 * 5
        assert not teacher.asked
        assert not config.kept_in(tmp_path).exists()
        facts = tiny.run_here(made)
        assert len(teacher.asked) == before.requests
    # Examples are longer than what this teacher writes: a forecast that is too low would be worse.
    assert facts["tokens_out"] < before.tokens_out < 4 * facts["tokens_out"]  # type: ignore[operator]
    after = forecast(config, parent, tmp_path)
    assert (after.requests, after.known, after.measured) == (0, 1.0, True)
    with sqlite3.connect(config.kept_in(tmp_path)) as base:
        base.execute("delete from replies where step = 'blind'")
    half = forecast(config, parent, tmp_path)
    assert (half.requests, half.known) == (120, pytest.approx(0.8))


def test_a_plan_tells_it_of_a_stage_that_is_to_be_done(tmp_path: Path) -> None:
    rows, answers = teaching.questions(10)
    parent = curating.corpus(tmp_path / "raw", rows)
    with teaching.teaching(teaching.reasoner(answers)) as teacher:
        made = teaching.stage(tmp_path, parent, teacher, asking={"price_out": 1000.0})
        config = Config.model_validate_json(json.dumps(made.config))
        (line,) = config.forecast({"raw": parent}, tmp_path)
        assert line.label == "forecast"
        assert line.text.startswith("about 10 rows: 60 requests, ")
        assert "in the unit of the prices" in line.text
        assert config.forecast({}, tmp_path)[0].text == "known when raw is finished"
        assert not teacher.asked


def test_of_batches_the_forecast_says_how_many_one_after_another(tmp_path: Path) -> None:
    rows, answers = teaching.questions(120)
    parent = curating.corpus(tmp_path / "raw", rows)
    with batching(BatchTeacher(teaching.reasoner(answers))) as teacher:
        batch = {"poll_s": 0.01, "most_requests": 50}
        made = teaching.stage(
            tmp_path,
            parent,
            teacher,  # type: ignore[arg-type]
            params={"blanks": 1},
            asking={"price_in": 1.0, "price_out": 4.0, "batch": batch},
        )
        config = Config.model_validate_json(json.dumps(made.config))
        before = forecast(config, parent, tmp_path)
        assert (before.requests, before.rounds, before.batches) == (600, 5, 15)
        assert before.money == pytest.approx((before.tokens_in + 4 * before.tokens_out) / 1e6, rel=1e-3)
        assert str(before).endswith("; 15 batches in 5 rounds one after another, each promised within 24h")
        small = config.model_copy(
            update={"teacher": config.teacher.model_copy(update={"batch": Batching(most_bytes=20_000)})}
        )
        assert forecast(small, parent, tmp_path).batches > 15
        tiny.run_here(made)
        assert len(teacher.batches) == before.batches
        after = forecast(config, parent, tmp_path)
    assert (after.requests, after.rounds, after.batches) == (0, 0, 0)
    assert "batches" not in str(after)
