"""Requests in batches give the same rows as over the line; faults, kills and lost replies cost no row and no second payment."""

from __future__ import annotations

import json
import signal
import sqlite3
from pathlib import Path
from typing import Any

import curating
import pytest
import teaching
import tiny
from batching import BatchTeacher, batching
from teaching import Asked, Fault, Reply, Rule

from lingshu_train import stopping
from lingshu_train.data.corpus import corpus
from lingshu_train.errors import NotPermitted, RecipeError, RunAgain
from lingshu_train.rollouts import Outage, Refused
from lingshu_train.runs.stage import Stage
from lingshu_train.synthesize import _batching, _client
from lingshu_train.synthesize._cache import Cache, Sent
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
    keys = set[tuple[str, ...]]()

    def noted(asked: Asked) -> Reply:
        keys.add(tuple(asked.body["response_format"]["json_schema"]["schema"]["properties"]))
        return rule(asked)

    straight = over_the_line(tmp_path / "line", parent, noted)
    reasoned_first = {("reasoning", "answer"), ("answer",)}
    assert keys == reasoned_first, "a model that is held to a schema writes its keys in their order"
    keys.clear()
    with batching(BatchTeacher(noted)) as teacher:
        made = stage(tmp_path / "batch", parent, teacher)
        facts = tiny.run_here(made)
    assert keys == reasoned_first
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


def test_a_teacher_and_a_checker_at_one_address_have_batches_tries_and_prices_of_their_own(
    tmp_path: Path,
) -> None:
    """The checker answers 500 alone: it is given up after its tries, and nothing is sent without end."""
    parent, rule = material(tmp_path, 2)

    def faulty(asked: Asked) -> Reply:
        return Fault(500) if asked.body["model"] == "other" else rule(asked)

    with batching(BatchTeacher(faulty)) as teacher:
        checker = {"urls": [teacher.url], "model": "other", "tries": 2, "batch": BATCH}
        made = stage(tmp_path, parent, teacher, checker=checker, asking={"tries": 2})
        with pytest.raises(RunAgain, match="2 of 2 rows have no answer"):
            tiny.run_here(made)
        assert len(teacher.batches) < 12
        asked = [line["body"]["model"] for one in teacher.batches for line in one.lines]
        assert asked.count("other") == 2 * 2, "each of two requests as often as it may be tried"
        teacher.rule = rule
        prices = {"price_in": 1e6, "price_out": 0.0}
        again = stage(
            tmp_path, parent, teacher, checker={**checker, **prices}, asking={"tries": 2, "price_in": 1e3}
        )
        money = tiny.run_here(again)["money"]
    cheap = sum(count for body, count in teacher.answered.items() if json.loads(body)["model"] == "scripted")
    with sqlite3.connect(next(tmp_path.rglob("replies.sqlite"))) as base:
        kept = [row[0] for row in base.execute("select money from replies where money > 0.5")]
    assert kept == [100.0] * (teacher.asked - 4 - cheap), "the checker's replies at the checker's price"
    assert money >= sum(kept)


def test_what_is_under_way_is_held_back_from_the_budget(tmp_path: Path) -> None:
    """Batches of one request: each is sent before the one before has cost anything."""
    parent, rule = material(tmp_path, 16)
    for name, budget, price in (
        ("a", {"tokens": 1500}, {}),
        ("b", {"money": 1.5}, {"price_in": 1e3, "price_out": 1e3}),
    ):
        with batching(BatchTeacher(rule)) as teacher:
            made = stage(
                tmp_path / name, parent, teacher, budget=budget, asking=price, batch={"most_requests": 1}
            )
            with pytest.raises(Exhausted):
                tiny.run_here(made)
            assert 1500 <= 120 * sum(teacher.answered.values()) < 1500 + 120


def test_what_a_killed_start_has_under_way_is_held_back_by_the_next(tmp_path: Path) -> None:
    from lingshu_train.synthesize._client import Client
    from lingshu_train.synthesize._purse import Purse
    from lingshu_train.synthesize._settings import Budget, Teacher

    told = Teacher(urls=("http://127.0.0.1:9/v1",), model="m", batch={})  # type: ignore[arg-type]
    cache = Cache(tmp_path / "replies.sqlite")

    def start() -> tuple[Purse, Client]:
        purse = Purse(Budget(tokens=1000), cache, stage="made")
        return purse, Client(told, cache, purse, stage="made", role="checker")

    purse, client = start()
    sent = Sent(
        token="t", stage="made", url="http://127.0.0.1:9/v1", steps="{}", client=client.name, tokens=900
    )
    client.note(sent)
    purse, client = start()
    assert purse.holds
    assert not purse.fits(_batching.Spent(tokens=101))
    client.forget(sent)
    assert purse.fits(_batching.Spent(tokens=1000))


def test_batches_that_an_earlier_version_wrote_down_are_the_teachers(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with sqlite3.connect(path) as base:
        base.execute(
            "create table batches (token text primary key, stage text not null, url text not null, steps text not null, "
            "id text not null) without rowid"
        )
        base.execute("insert into batches values ('t', 'made', 'u', '{}', 'batch-7')")
    base.close()
    for _ in range(2):
        cache = Cache(path)
        (found,) = cache.under_way("made")
        assert (found.id, found.client, found.tokens) == ("batch-7", "", 0)
        cache.close()
    from lingshu_train.errors import DataError

    with pytest.raises(DataError, match="cannot be read"):
        cache.under_way("made")


@pytest.mark.parametrize("what", ["/batches/batch-1", "/files/batch-1-good/content"])
def test_a_batch_or_a_file_that_the_server_no_longer_has_is_asked_for_again(
    tmp_path: Path, what: str
) -> None:
    parent, rule = material(tmp_path, 2)
    with batching(BatchTeacher(rule)) as teacher:
        teacher.meddle = lambda call, number: "404" if call == f"GET {what}" else ""
        facts = tiny.run_here(stage(tmp_path, parent, teacher))
        assert facts["rows_kept"] == 2
        assert len(teacher.batches) == 6
        assert teacher.calls.count(f"GET {what}") == 1


def test_one_line_that_is_forbidden_is_that_requests_and_a_wrong_key_costs_no_other_line(
    tmp_path: Path,
) -> None:
    parent, rule = material(tmp_path, 4)
    for status in (403, 401):

        def faulty(asked: Asked, status: int = status) -> Reply:
            return Fault(status) if "case 0 " in asked.text else rule(asked)

        with batching(BatchTeacher(faulty)) as teacher:
            made = stage(tmp_path / str(status), parent, teacher, most_unanswered=0.5)
            if status == 403:
                assert tiny.run_here(made)["rows_kept"] == 3
                continue
            with pytest.raises(NotPermitted, match="token_file"):
                tiny.run_here(made)
            with sqlite3.connect(next((tmp_path / "401").rglob("replies.sqlite"))) as base:
                assert base.execute("select count(*) from replies").fetchone() == (3,)
            teacher.rule = rule
            assert tiny.run_here(made)["rows_kept"] == 4
            assert teacher.paid_twice == 0
    with batching(BatchTeacher(lambda asked: Fault(403))) as teacher, pytest.raises(NotPermitted):
        tiny.run_here(stage(tmp_path / "all", parent, teacher))


def test_a_request_to_stop_is_seen_while_a_batch_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent, rule = material(tmp_path, 2)
    with batching(BatchTeacher(rule, slow=1_000_000)) as teacher:
        monkeypatch.setattr(
            stopping, "asked", lambda: signal.SIGTERM if "GET /batches/batch-0" in teacher.calls else None
        )
        made = stage(tmp_path, parent, teacher, batch={"poll_s": 600})
        with pytest.raises(RunAgain, match="told to stop while batches were under way"):
            tiny.run_here(made)
        monkeypatch.undo()
        monkeypatch.setattr(_batching, "_FIRST_WAIT_S", 0.01)
        teacher.slow = 1
        assert tiny.run_here(stage(tmp_path, parent, teacher))["rows_kept"] == 2
        assert teacher.paid_twice == 0
