"""Waiting for a server: how long, how often, and that a person can see it."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from urllib3.util import Retry

from lingshu_train.errors import NotPermitted, RunAgain
from lingshu_train.hub import patience
from lingshu_train.hub.patience import Busy, Patience, passing


class Line:
    """Fails with `faults`, one after the other, then answers."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.slept: list[float] = []
        self.said: list[str] = []

    def __call__(self) -> str:
        if self.faults:
            raise self.faults.pop(0)
        return "answer"

    def patience(self, retry: Retry = patience.RETRY) -> Patience:
        return Patience(retry=retry, sleep=self.slept.append, say=self.said.append)


def test_the_first_try_again_is_at_once_and_the_waits_grow_and_are_said() -> None:
    line = Line(*[RunAgain("the line broke")] * 5)
    assert line.patience().through(line) == "answer"
    assert line.slept == [0, *(pytest.approx(wait + 0.5, abs=0.5) for wait in (5, 10, 20, 40))]
    assert line.said[0] == "the line broke; trying again"
    assert line.said[1].startswith("the line broke; trying again in ")


def test_when_the_tries_are_used_up_the_fault_itself_is_raised() -> None:
    line = Line(*[RunAgain("the line broke")] * 3)
    with pytest.raises(RunAgain, match=r"^the line broke$"):
        line.patience(Retry(total=2)).through(line)
    assert len(line.slept) == 2


def test_what_is_no_passing_fault_is_not_tried_again() -> None:
    line = Line(NotPermitted("no"))
    with pytest.raises(NotPermitted):
        line.patience().through(line)
    assert line.slept == []


def test_a_try_that_got_further_starts_the_count_anew() -> None:
    line, came = Line(*[RunAgain("the line broke")] * 9), iter(range(100))
    assert line.patience(Retry(total=1)).through(line, progress=lambda: next(came)) == "answer"
    assert len(line.slept) == 9


@pytest.mark.parametrize("date", [False, True])
def test_a_server_that_says_when_to_come_back_is_obeyed(date: bool) -> None:
    header = formatdate(time.time() + 31, usegmt=True) if date else "30"
    line = Line(passing("the server answers 503", header))
    assert line.patience().through(line) == "answer"
    assert 20 < line.slept[0] <= 31
    assert line.said[0].startswith("the server answers 503; trying again in ")


def test_a_rest_that_is_too_long_to_watch_is_another_run() -> None:
    line = Line(Busy("the server answers 429", 3600.0))
    with pytest.raises(RunAgain, match="asks for 3,600 s of rest; run the same command again then"):
        line.patience().through(line)
    assert line.slept == []


@pytest.mark.parametrize("header", [None, "", "soon", "-5"])
def test_a_retry_after_that_cannot_be_read_is_none(header: str | None) -> None:
    assert not isinstance(passing("x", header), Busy)
