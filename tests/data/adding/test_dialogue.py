"""With a person at the terminal what is unclear is asked, and nothing is written that was not agreed to."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import strangers

from lingshu_train.data.cards.card import Card


class Terminal(io.StringIO):
    """What a person types, a line an answer."""

    def isatty(self) -> bool:
        return True


Typed = Callable[..., None]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    return lambda *lines: monkeypatch.setattr("sys.stdin", Terminal("".join(f"{line}\n" for line in lines)))


def unclear(folder: Path) -> Path:
    found = [{**row, "response": "other", "ward": f"W{n // 6}"} for n, row in enumerate(strangers.rows())]
    found = [{key: value for key, value in row.items() if key != "patient_id"} for row in found]
    strangers.pictures(folder, found)
    return strangers.write_csv(folder / "pairs.csv", found)


def test_what_is_unclear_is_asked_with_its_choices(
    tmp_path: Path, add: Callable[..., Any], card: Callable[[str], Card], typed: Typed
) -> None:
    typed("2", "ward", "x-ray", "internal", "y")
    done = add(unclear(tmp_path))
    assert done.code == 0, done.err
    assert "several columns could be the answer" in done.err
    assert "  1. answer\n  2. response\n" in done.err
    found = card("pairs").lingshu
    assert (found.fields["answer"], found.fields["group"]) == ("response", "ward")
    assert found.modality == ("x-ray",)
    assert found.licence.id == "internal"


def test_what_nobody_answers_is_the_safest(
    tmp_path: Path, add: Callable[..., Any], card: Callable[[str], Card], typed: Typed
) -> None:
    typed("answer", "", "", "", "")
    assert add(unclear(tmp_path)).code == 0
    found = card("pairs").lingshu
    assert "group" not in found.fields
    assert found.modality == ()
    assert (found.licence.id, found.licence.derive_weights, found.licence.third_party_api) == (
        "internal",
        False,
        False,
    )


def test_who_says_no_gets_nothing(tmp_path: Path, add: Callable[..., Any], typed: Typed) -> None:
    typed("answer", "", "", "", "n")
    assert add(unclear(tmp_path)).code == 0
    assert list(Path.cwd().iterdir()) == []


def test_a_wrong_answer_is_one_line(tmp_path: Path, add: Callable[..., Any], typed: Typed) -> None:
    typed("answer", "nobody", "", "")
    done = add(unclear(tmp_path))
    assert done.code == 64
    assert "--patient nobody: no such column" in done.line
    typed("answer", "", "telepathy", "", "y")
    assert add(unclear(tmp_path)).code == 64
    assert list(Path.cwd().iterdir()) == []


def test_who_closes_the_terminal_gets_a_line(tmp_path: Path, add: Callable[..., Any], typed: Typed) -> None:
    typed()
    done = add(unclear(tmp_path))
    assert done.code == 64
    assert (
        done.line
        == "lingshu: no answer was given, and nothing was written; flags and --yes stand in for answers"
    )
    assert list(Path.cwd().iterdir()) == []
