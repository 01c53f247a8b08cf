"""A project folder of one's own, in which `lingshu data add` is typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lingshu_train import cli
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card


@dataclass(frozen=True)
class Done:
    """What came of one command."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on stderr that says what is wrong."""
        # What a person types is not echoed here, so that a question and the line after it are one.
        lines = [line[line.index("lingshu: ") :] for line in self.err.splitlines() if "lingshu: " in line]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]

    def said(self, label: str) -> str:
        """The line of the proposal that a label begins."""
        return next(line[11:] for line in self.out.splitlines() if line.startswith(f"{label:<10} "))


Add = Callable[..., Done]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LINGSHU_CARDS", "")
    return folder


@pytest.fixture
def add(project: Path, capsys: pytest.CaptureFixture[str]) -> Add:
    def run(*words: Any) -> Done:
        code = cli.main(["data", "add", *map(str, words)])
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


@pytest.fixture
def card(project: Path) -> Callable[[str], Card]:
    return lambda name: cards.load(name, folder=project / "data_cards")
