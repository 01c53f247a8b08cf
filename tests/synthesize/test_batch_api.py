"""Requests in batches give the same rows as over the line; faults, kills and lost replies cost no row and no second payment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import curating
import pytest
import teaching
import tiny
from batching import BatchTeacher, batching
from teaching import Asked, Fault, Reply, Rule

from lingshu_train.data.corpus import corpus
from lingshu_train.errors import RecipeError
from lingshu_train.rollouts import Outage, Refused
from lingshu_train.runs.stage import Stage
from lingshu_train.synthesize import _batching, _client
from lingshu_train.synthesize._purse import Exhausted

BATCH = {"poll_s": 0.01}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are as short as a test."""
    for file in (_client, _batching):
        monkeypatch.setattr(file, "_FIRST_WAIT_S", 0.01)


def stage(root: Path, parent: Path, teacher: BatchTeacher, **keys: Any) -> Stage:
    asking = {"batch": {**BATCH, **keys.pop("batch", {})}, **keys.pop("asking", {})}
    return teaching.stage(root, parent, teacher, asking=asking, **keys)  # type: ignore[arg-type]


def material(root: Path, rows: int = 8) -> tuple[Path, Rule]:
    made, answers = teaching.questions(rows)
    return curating.corpus(root / "raw", made), teaching.reasoner(answers)


def bytes_of(one: Stage) -> list[bytes]:
    return [(one.path / name).read_bytes() for name in ("corpus/rows-00000.arrow", "corpus/images-00000.tar")]


def over_the_line(root: Path, parent: Path, rule: Rule) -> Stage:
    with teaching.teaching(rule) as teacher:
        made = teaching.stage(root, parent, teacher)
        tiny.run_here(made)
    return made


def test_batches_give_the_same_rows_as_requests_over_the_line(tmp_path: Path) -> None:
    parent, rule = material(tmp_path)
    straight = over_the_line(tmp_path / "line", parent, rule)
    with batching(BatchTeacher(rule)) as teacher:
        made = stage(tmp_path / "batch", parent, teacher)
        facts = tiny.run_here(made)
    assert bytes_of(made) == bytes_of(straight)
    assert facts["replies"] == 5 * 8
    assert sum(teacher.answered.values()) == 5 * 8
    assert teacher.paid_twice == 0
    assert len(teacher.batches) == 5, "a round for each request that waits for another"
    assert not [call for call in teacher.calls if "completions" in call]


def test_a_second_run_sends_nothing(tmp_path: Path) -> None:
    parent, rule = material(tmp_path)
    with batching(BatchTeacher(rule)) as teacher:
        cache = str(tmp_path / "replies.sqlite")
        tiny.run_here(stage(tmp_path / "a", parent, teacher, cache=cache))
        calls = len(teacher.calls)
        tiny.run_here(stage(tmp_path / "b", parent, teacher, cache=cache))
        assert len(teacher.calls) == calls


def test_requests_that_fail_are_sent_again_alone(tmp_path: Path) -> None:
    parent, rule = material(tmp_path, 12)

    def faulty(asked: Asked) -> Reply:
        return Fault(500) if asked.time == 1 and asked.number % 4 == 0 else rule(asked)

    with batching(BatchTeacher(faulty)) as teacher:
        made = stage(tmp_path / "batch", parent, teacher)
        facts = tiny.run_here(made)
    assert facts["rows_kept"] == 12
    assert teacher.paid_twice == 0
    assert sum(teacher.answered.values()) == 5 * 12
    assert len(teacher.batches) > 5


def test_a_batch_that_expires_keeps_what_it_has_and_asks_for_the_rest(tmp_path: Path) -> None:
    parent, rule = material(tmp_path)
    ending = lambda number: "expired" if number == 0 else "completed"  # noqa: E731
    with batching(BatchTeacher(rule, ending=ending)) as teacher:
        facts = tiny.run_here(stage(tmp_path / "batch", parent, teacher))
    assert facts["rows_kept"] == 8
    assert teacher.paid_twice == 0


@pytest.mark.parametrize("call", ["POST /batches", "POST /files", "GET /batches/batch-1"])
@pytest.mark.parametrize("fault", ["lost", "429"])
def test_a_lost_reply_to_any_call_costs_no_second_payment(tmp_path: Path, call: str, fault: str) -> None:
    """A batch whose making was answered by silence is found again by its token."""
    parent, rule = material(tmp_path, 4)
    with batching(BatchTeacher(rule)) as teacher:
        done: list[int] = []

        def meddle(now: str, number: int) -> str:
            if now == call and not done:
                done.append(number)
                return fault
            return ""

        teacher.meddle = meddle
        facts = tiny.run_here(stage(tmp_path / "batch", parent, teacher))
    assert done
    assert facts["rows_kept"] == 4
    assert teacher.paid_twice == 0
    assert len(teacher.batches) == 5


@pytest.mark.slow
def test_a_kill_while_batches_are_under_way_loses_nothing(tmp_path: Path) -> None:
    parent, rule = material(tmp_path)
    straight = over_the_line(tmp_path / "line", parent, rule)
    teaching.finished(tmp_path / "raw")
    with batching(BatchTeacher(rule, slow=20)) as teacher:
        made = stage(tmp_path / "batch", parent, teacher, batch={"most_requests": 3})
        for count in (1, 4, 9):
            goal = count
            tiny.kill_when(tiny.start(made), lambda goal=goal: len(teacher.batches) >= goal)  # type: ignore[misc]
        teacher.slow = 1
        assert tiny.run(made) == 0, (made.path / "log.txt").read_text()[-2000:]
    assert bytes_of(made) == bytes_of(straight)
    assert teacher.paid_twice == 0
    assert sum(teacher.answered.values()) == 5 * 8


def test_a_budget_bounds_what_is_sent(tmp_path: Path) -> None:
    """120 tokens a reply, and a bound of 1,024 on what each may write: what has no room is not sent."""
    parent, rule = material(tmp_path)
    with batching(BatchTeacher(rule)) as teacher:
        made = stage(tmp_path / "batch", parent, teacher, budget={"tokens": 3000})
        with pytest.raises(Exhausted, match=r"stages\.made\.budget\.tokens"):
            tiny.run_here(made)
        spent = 120 * sum(teacher.answered.values())
        assert 3000 <= spent < 3000 + 120
        more = stage(tmp_path / "batch", parent, teacher, budget={"tokens": 300_000})
        assert tiny.run_here(more)["rows_kept"] == 8
        assert teacher.paid_twice == 0


def test_what_has_no_answer_after_all_tries_is_counted_and_the_others_are_kept(tmp_path: Path) -> None:
    parent, rule = material(tmp_path)

    def never(asked: Asked) -> Reply:
        return Fault(500) if "case 3 " in asked.text else rule(asked)

    with batching(BatchTeacher(never)) as teacher:
        made = stage(tmp_path / "batch", parent, teacher, most_unanswered=0.5, asking={"tries": 2})
        facts = tiny.run_here(made)
    assert facts["rows_kept"] == 7
    assert [one.parents[0] for one in corpus.load(made.path / "corpus").samples].count("row-3") == 0


def test_servers_that_take_no_batches_say_so(tmp_path: Path) -> None:
    parent, rule = material(tmp_path, 2)
    with teaching.teaching(rule) as teacher:
        refused = stage(tmp_path / "a", parent, teacher)  # type: ignore[arg-type]
        teacher.rule = lambda asked: Fault(404)
        with pytest.raises((Refused, Outage)):
            tiny.run_here(refused)
    with (
        batching(BatchTeacher(rule, ending=lambda number: "failed")) as other,
        pytest.raises(Refused, match="batch-0 failed: the file is no batch"),
    ):
        tiny.run_here(stage(tmp_path / "b", parent, other))


def test_a_checker_is_asked_as_the_teacher_is(tmp_path: Path) -> None:
    parent, rule = material(tmp_path, 2)
    with batching(BatchTeacher(rule)) as teacher, pytest.raises(RecipeError, match=r"checker\.batch"):
        stage(tmp_path, parent, teacher, checker={"urls": [teacher.url], "model": "other"})


def test_a_batch_is_no_part_of_a_name(tmp_path: Path) -> None:
    parent, rule = material(tmp_path, 2)
    with batching(BatchTeacher(rule)) as teacher:
        one = stage(tmp_path, parent, teacher)
        other = teaching.stage(tmp_path, parent, teacher)  # type: ignore[arg-type]
        read = [json.dumps(each.config, sort_keys=True) for each in (one, other)]
        assert read[0] != read[1]
        from lingshu_train.stages import _kinds as kinds

        named = [kinds.read(each.config, where="stages.made").naming for each in (one, other)]
    assert named[0] == named[1]
