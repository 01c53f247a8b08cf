"""Progress in a log is lines, one now and then; at a terminal it is a bar."""

from __future__ import annotations

import io
import sys

import pytest

from lingshu_train import bars


def test_in_a_log_each_state_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    monkeypatch.setattr(bars, "IN_A_LOG", 0.0)
    assert list(bars.over(range(3), title="counting", unit="row", total=3)) == [0, 1, 2]
    text = log.getvalue()
    assert "\r" not in text
    lines = text.splitlines()
    assert all(line.startswith("counting: ") for line in lines)
    assert "3/3" in lines[-1]


def test_a_log_is_not_flooded(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    for _ in bars.over(range(10_000), title="counting", unit="row", total=10_000):
        pass
    assert len(log.getvalue().splitlines()) <= 3


def test_at_a_terminal_the_bar_is_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    list(bars.over(range(3), title="counting", unit="row", total=3))
    assert "\r" in screen.getvalue()
