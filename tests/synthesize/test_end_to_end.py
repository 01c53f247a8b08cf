"""A corpus to another through a teacher on this machine: each row is checked and written down, no request is paid twice."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import curating
import pyarrow.parquet as pq
import pytest
import teaching
import tiny
from teaching import Asked, Fault, Reply

from lingshu_train.data.corpus import corpus
from lingshu_train.errors import NotPermitted, RecipeError, RunAgain
from lingshu_train.runs.withdrawn import Gone
from lingshu_train.stages import _kinds as kinds
from lingshu_train.synthesize import _client


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are as short as a test."""
    monkeypatch.setattr(_client, "_FIRST_WAIT_S", 0.01)


def table(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / "made.parquet").to_pylist()
    return found


def prints(folder: Path) -> dict[str, str]:
    """sha256 of what a stage leaves, but for SQLite's files."""
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".sqlite", ".json", ".txt")
    ]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)
    }


def test_a_row_gets_reasoning_that_leads_to_its_answer_and_says_where_it_comes_from(tmp_path: Path) -> None:
    rows, answers = teaching.questions(6)
    parent = curating.corpus(tmp_path / "raw", rows)
    with teaching.teaching(teaching.reasoner(answers)) as teacher:
        made = teaching.stage(tmp_path, parent, teacher)
        facts = tiny.run_here(made)
    found = corpus.load(made.path / "corpus").samples
    assert [one.parents for one in found] == [(f"row-{number}",) for number in range(6)]
    assert {one.reasoning for one in found} == {teaching.GOOD}
    assert [one.group for one in found] == [f"patient-{number // 2}" for number in range(6)]
    assert {(one.card, one.task, one.split) for one in found} == {("synth_cot", "reasoning", "train")}
    assert found[0].images == corpus.load(parent / "corpus").sample(0).images
    first = table(made.path)[0]
    assert (first["status"], first["teacher"], first["served_as"]) == ("made", "scripted", "scripted-1")
    assert first["made"] == [found[0].id]
    assert [check[:2] for check in json.loads(first["checks"]) if check[0] != "form"] == [
        [name, True] for name in ("answer", "agreement", "length", "refusal", "leak", "blind", "grounding")
    ]
    # Three draws, one blind pass, one look at grey: the wrong answer there ends the asking.
    assert len(first["requests"]) == 5
    assert facts["rows_kept"] == 6
    assert facts["tokens_out"] == sum(line["tokens_out"] for line in table(made.path)) > 0


def test_nothing_is_asked_twice_by_a_second_run_or_another_number_of_threads(tmp_path: Path) -> None:
    rows, answers = teaching.questions(8)
    parent = curating.corpus(tmp_path / "raw", rows)
    cache = str(tmp_path / "replies.sqlite")
    with teaching.teaching(teaching.reasoner(answers)) as teacher:
        first = teaching.stage(tmp_path / "a", parent, teacher, cache=cache)
        tiny.run_here(first)
        asked = len(teacher.asked)
        second = teaching.stage(tmp_path / "b", parent, teacher, cache=cache, asking={"parallel": 1})
        tiny.run_here(second)
        assert len(teacher.asked) == asked
        assert teacher.paid_twice == 0
    ours, theirs = prints(first.path), prints(second.path)
    assert ours == theirs
    assert "corpus/rows-00000.arrow" in ours


def test_a_teacher_that_fails_by_turns_costs_no_row_and_no_second_payment(tmp_path: Path) -> None:
    rows, answers = teaching.questions(12)
    parent = curating.corpus(tmp_path / "raw", rows)
    good = teaching.reasoner(answers)

    def faulty(asked: Asked) -> Reply:
        if asked.time == 1 and asked.number >= 2:
            match asked.number % 6:
                case 0:
                    return Fault(429, head={"Retry-After": "0"})
                case 1:
                    return Fault(503)
                case 2:
                    return Fault(200, text='{"choices": [{"mess')
                case 3:
                    return Fault(0)
                case 4:
                    return Fault(500, wait=0.05)
        return good(asked)

    with teaching.teaching(good) as teacher:
        straight = teaching.stage(tmp_path / "a", parent, teacher)
        tiny.run_here(straight)
    with teaching.teaching(faulty) as teacher:
        made = teaching.stage(tmp_path / "b", parent, teacher)
        tiny.run_here(made)
        assert teacher.paid_twice == 0
        assert sum(asked.time > 1 for asked in teacher.asked) > 10
    assert prints(made.path) == prints(straight.path)


@pytest.mark.slow
def test_a_stage_that_is_killed_loses_at_most_what_was_under_way(tmp_path: Path) -> None:
    rows, answers = teaching.questions(12)
    parent = curating.corpus(tmp_path / "raw", rows)
    with teaching.teaching(teaching.reasoner(answers)) as teacher:
        straight = teaching.stage(tmp_path / "a", parent, teacher)
        tiny.run_here(straight)
        whole = len(teacher.asked)
    parent = teaching.finished(tmp_path / "raw")
    good = teaching.reasoner(answers)
    with teaching.teaching(lambda asked: time.sleep(0.1) or good(asked)) as teacher:
        made = teaching.stage(tmp_path / "b", parent, teacher)
        tiny.kill_when(tiny.start(made), lambda: len(teacher.asked) > 20)
        killed = len(teacher.asked)
        assert 20 < killed < whole
        tiny.run_here(made)
        assert len(teacher.asked) - whole <= 8, "more was asked again than can have been under way"
        assert teacher.paid_twice <= 8
    assert prints(made.path) == prints(straight.path)


def test_a_budget_stops_the_stage_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    rows, answers = teaching.questions(8)
    parent = curating.corpus(tmp_path / "raw", rows)
    with teaching.teaching(teaching.reasoner(answers)) as teacher:
        prices = {"price_in": 1.0, "price_out": 2.0, "parallel": 1}
        made = teaching.stage(tmp_path, parent, teacher, budget={"tokens": 2000}, asking=prices)
        with pytest.raises(
            RunAgain, match=r"budget\.tokens: 2,\d+ of 2,000 are spent.*larger stages\.made\.budget\.tokens"
        ):
            tiny.run_here(made)
        asked = len(teacher.asked)
        with pytest.raises(RunAgain):
            tiny.run_here(made)
        assert len(teacher.asked) == asked, "the budget of the stage is spent, whoever starts it"
        # One thread ends with the reply that went over: one answer too many, not more.
        each = teaching.stage(
            tmp_path, parent, teacher, budget={"tokens": 6000, "each": "start"}, asking=prices
        )
        starts = 0
        while not (tmp_path / "made" / "corpus" / "corpus.json").is_file():
            starts += 1
            try:
                facts = tiny.run_here(each)
            except RunAgain:
                assert starts < 20
        assert starts > 1
        assert teacher.paid_twice == 0
        assert facts["money"] == pytest.approx((facts["tokens_in"] + 2 * facts["tokens_out"]) / 1e6)  # type: ignore[operator]


def test_no_row_leaves_the_machine_whose_card_does_not_allow_it(tmp_path: Path) -> None:
    rows, _ = teaching.questions(2)
    parent = curating.corpus(tmp_path / "raw", rows)
    away = {"kind": "synthesize", "corpus": "raw", "pipeline": {"name": "vqa_reasoning"}, "card": "synth_cot"}
    teacher = {"urls": ["https://teacher.example/v1"], "model": "big"}
    made = tiny.make_stage(tmp_path, "made", {**away, "teacher": teacher}, parents={"raw": parent})
    with pytest.raises(
        NotPermitted, match=r"teacher\.example/v1 is not on this machine, and card 'slake' is not listed"
    ):
        tiny.run_here(made)
    with pytest.raises(NotPermitted, match=r"mimic_cxr .credentialed. does not allow sending"):
        tiny.make_stage(
            tmp_path,
            "made",
            {**away, "teacher": {**teacher, "cards": ["mimic_cxr"]}},
            parents={"raw": parent},
        )


def test_a_server_that_refuses_everything_is_told_at_once(tmp_path: Path) -> None:
    rows, _ = teaching.questions(3)
    parent = curating.corpus(tmp_path / "raw", rows)
    wrong = Fault(400, text='{"error": {"message": "no such parameter: seed"}}')
    with teaching.teaching(lambda _: wrong) as teacher:
        made = teaching.stage(tmp_path, parent, teacher, asking={"parallel": 1})
        with pytest.raises(RecipeError, match="the server answers 400: no such parameter: seed"):
            tiny.run_here(made)
        assert len(teacher.asked) <= 2


def test_a_server_that_is_gone_stops_the_stage_and_keeps_what_it_said(tmp_path: Path) -> None:
    rows, answers = teaching.questions(12)
    parent = curating.corpus(tmp_path / "raw", rows)
    good = teaching.reasoner(answers)
    with teaching.teaching(lambda asked: good(asked) if asked.number < 20 else Fault(500)) as teacher:
        made = teaching.stage(tmp_path, parent, teacher, asking={"tries": 2})
        with pytest.raises(RunAgain, match="run the same command again to go on"):
            tiny.run_here(made)
        teacher.rule = good
        tiny.run_here(made)
        assert teacher.paid_twice == 0


def test_a_withdrawn_row_is_not_asked_about(tmp_path: Path) -> None:
    rows, answers = teaching.questions(4)
    parent = curating.corpus(tmp_path / "raw", rows)
    gone = Gone(rows="1", fingerprint=corpus.load(parent / "corpus").fingerprint)
    with teaching.teaching(teaching.reasoner(answers)) as teacher:
        made = teaching.stage(tmp_path, parent, teacher).model_copy(update={"withdrawn": {"raw": gone}})
        tiny.run_here(made)
        assert not any("case 1 of" in asked.text for asked in teacher.asked)
    assert len(corpus.load(made.path / "corpus")) == 3


def test_a_row_without_an_answer_waits_for_the_next_start_when_all_others_are_done(tmp_path: Path) -> None:
    rows, answers = teaching.questions(8)
    parent = curating.corpus(tmp_path / "raw", rows)
    good = teaching.reasoner(answers)

    def silent(asked: Asked) -> Reply:
        return Fault(500) if "case 5 of" in asked.text else good(asked)

    with teaching.teaching(silent) as teacher:
        made = teaching.stage(tmp_path, parent, teacher, asking={"tries": 2, "parallel": 2})
        with pytest.raises(
            RunAgain, match="1 of 8 rows have no answer after 2 tries, more than most_unanswered=0"
        ):
            tiny.run_here(made)
        asked = len(teacher.asked)
        allowed = teaching.stage(tmp_path, parent, teacher, asking={"tries": 2}, most_unanswered=0.2)
        facts = tiny.run_here(allowed)
        assert facts["rows_kept"] == 7
        assert facts["dropped"] == {"unanswered": 1}
        assert len(teacher.asked) - asked <= 2, "rows that have their answers are not asked again"
        teacher.rule = good
        assert tiny.run_here(made)["rows_kept"] == 8


def test_a_request_that_is_refused_drops_its_row_and_is_not_sent_again(tmp_path: Path) -> None:
    rows, answers = teaching.questions(6)
    parent = curating.corpus(tmp_path / "raw", rows)
    good = teaching.reasoner(answers)

    def refusing(asked: Asked) -> Reply:
        wrong = Fault(400, text='{"error": {"message": "content policy"}}')
        return wrong if "case 4 of" in asked.text else good(asked)

    with teaching.teaching(refusing) as teacher:
        made = teaching.stage(tmp_path, parent, teacher, asking={"parallel": 1})
        assert tiny.run_here(made)["dropped"] == {"refused": 1}
        (line,) = [one for one in table(made.path) if one["status"] == "dropped"]
        assert line["reason"] == "reason: the server answers 400: content policy"
        asked = len(teacher.asked)
        tiny.run_here(made)
        assert len(teacher.asked) == asked


def test_a_second_teacher_does_the_checks(tmp_path: Path) -> None:
    rows, answers = teaching.questions(3)
    parent = curating.corpus(tmp_path / "raw", rows)
    good = teaching.reasoner(answers)
    with teaching.teaching(good) as teacher, teaching.teaching(good) as second:
        checker = {"urls": [second.url], "model": "other"}
        tiny.run_here(teaching.stage(tmp_path, parent, teacher, checker=checker))
    assert len(second.asked) == 3
    assert all("Reasoning:" in asked.text and asked.body["model"] == "other" for asked in second.asked)
    assert not any("Reasoning:" in asked.text for asked in teacher.asked)


def test_what_is_asked_and_how_it_is_put_name_a_stage_and_where_it_is_asked_does_not(tmp_path: Path) -> None:
    config = {
        "kind": "synthesize",
        "corpus": "raw",
        "pipeline": {"name": "vqa_reasoning"},
        "card": "synth_cot",
    }

    def named(**teacher: object) -> object:
        found = kinds.read({**config, "teacher": {"model": "big", **teacher}}, where="stages.made")  # type: ignore[dict-item]
        return found.naming

    one = named(urls=["http://127.0.0.1:1/v1"])
    assert one == named(urls=["http://127.0.0.1:2/v1"], price_in=3.0, parallel=2, tries=9)
    assert one != named(urls=["http://127.0.0.1:1/v1"], revision="2")
    assert "prompts" in one  # type: ignore[operator]
