"""Requests under way grow while all goes well, and become fewer when a server is asked too much."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import curating
import pytest
import teaching
import tiny
from teaching import Asked, Fault, Reply

from lingshu_train.synthesize import _client
from lingshu_train.synthesize._throttle import START, Throttle


def test_there_are_more_while_all_goes_well_and_fewer_after_a_fault() -> None:
    throttle = Throttle(10)
    for _ in range(100):
        throttle.went_well()
    assert throttle.limit == 10
    throttle.too_much(time.monotonic())
    assert throttle.limit == 7.5


def test_what_was_turned_away_together_counts_once() -> None:
    throttle = Throttle(8)
    begun = time.monotonic()
    for _ in range(8):
        throttle.too_much(begun)
    assert throttle.limit == 6.0


def test_no_more_are_under_way_than_the_limit_says() -> None:
    throttle, lock = Throttle(3), threading.Lock()
    now = most = 0

    def ask() -> None:
        nonlocal now, most
        with throttle.turn():
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.01)
            with lock:
                now -= 1

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert most == 3
    assert START > 3


def test_a_server_that_takes_three_at_a_time_is_not_pressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_client, "_FIRST_WAIT_S", 0.02)
    rows, answers = teaching.questions(20)
    parent = curating.corpus(tmp_path / "raw", rows)
    good, lock = teaching.reasoner(answers), threading.Lock()
    now = turned_away = 0

    def busy(asked: Asked) -> Reply:
        nonlocal now, turned_away
        with lock:
            if now >= 3:
                turned_away += 1
                return Fault(429)
            now += 1
        time.sleep(0.01)
        with lock:
            now -= 1
        return good(asked)

    with teaching.teaching(busy) as teacher:
        made = teaching.stage(tmp_path, parent, teacher, asking={"parallel": 16, "tries": 20})
        tiny.run_here(made)
    # Pressed without a bound, 16 threads are turned away in four of five requests.
    assert turned_away < len(teacher.asked) / 2
    assert teacher.paid_twice == 0


def test_two_servers_share_the_requests(tmp_path: Path) -> None:
    rows, answers = teaching.questions(12)
    parent = curating.corpus(tmp_path / "raw", rows)
    good = teaching.reasoner(answers)

    def slow(asked: Asked) -> Reply:
        time.sleep(0.01)
        return good(asked)

    with teaching.teaching(slow) as one, teaching.teaching(slow) as other:
        made = teaching.stage(tmp_path, parent, one, asking={"urls": [one.url, other.url], "parallel": 4})
        tiny.run_here(made)
    assert len(one.asked) + len(other.asked) == 60
    assert min(len(one.asked), len(other.asked)) >= 10
