"""A ledger read while it grows: whole lines only, and anew when it was taken back to a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingshu_train.errors import DataError
from lingshu_train.runs.ledger import COMPLETIONS, NAME, Ledger
from lingshu_train.trackers._lines import Lines, Tail


def test_a_half_written_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    tail = Tail(path)
    assert tail.read() == []
    path.write_bytes(b'{"step": 1}\n{"step": 2, "name": "\xc3')
    assert tail.read() == [{"step": 1}]
    with path.open("ab") as stream:
        stream.write(b'\xa4"}\n')
    assert tail.read() == [{"step": 2, "name": "ä"}]
    assert tail.read() == []


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_a_ledger_taken_back_is_said_once_and_read_anew(kept: int, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for step in (1, 2, 3):
        ledger.append(step, {"loss": 1.0})
    tail = Tail(tmp_path / NAME)
    assert len(tail.read() or []) == 3
    ledger.rewind(kept)
    ledger.append(kept + 1, {"loss": 2.0})
    assert tail.read() is None
    again = tail.read()
    assert again is not None
    assert [line["step"] for line in again] == list(range(1, kept + 2))
    assert again[-1]["loss"] == 2.0


def test_a_half_line_that_a_crash_left_is_forgotten_with_the_file_it_stood_in(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(1, {"loss": 1.0})
    with ledger.path.open("a") as stream:
        stream.write('{"step": 2, "lo')
    tail = Tail(ledger.path)
    assert [line["step"] for line in tail.read() or []] == [1]
    ledger.rewind(1)
    ledger.append(2, {"loss": 1.0})
    assert tail.read() is None
    assert [line["step"] for line in tail.read() or []] == [1, 2]


def test_a_whole_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"step": 1}\nnothing\n')
    with pytest.raises(DataError, match=r"ledger\.jsonl: a whole line is not JSON"):
        Tail(tmp_path / NAME).read()


def test_a_line_carries_numbers_and_the_seconds_trained_so_far_and_no_text(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for step in (1, 2):
        ledger.append(step, {"loss": 2.5, "seconds": 0.5, "samples": "ab12", "alarm": "look", "flag": True})
    lines = Lines(tmp_path).read()
    assert lines is not None
    assert [(line.step, line.seconds) for line in lines] == [(1, 0.5), (2, 1.0)]
    assert lines[0].values == {"loss": 2.5, "seconds": 0.5}


def test_completions_come_with_their_step_and_not_twice_after_a_ledger_was_taken_back(tmp_path: Path) -> None:
    ledger, kept = Ledger(tmp_path), Ledger(tmp_path, COMPLETIONS)
    lines = Lines(tmp_path, image=lambda digest: digest.encode())

    def write(step: int, said: str) -> None:
        kept.append(
            step, {"completion": said, "question": "?", "answer": "1", "status": "right", "image": "d"}
        )
        ledger.append(step, {"loss": 1.0})

    def read() -> list[tuple[int, list[str]]]:
        return [(line.step, [one.completion for one in line.shown]) for line in lines.read() or []]

    write(1, "first")
    write(2, "second")
    assert read() == [(1, ["first"]), (2, ["second"])]
    # As training does: the ledger first, the completions a moment later.
    ledger.rewind(1)
    assert read() == [], "taken back"
    assert read() == [(1, ["first"])]
    kept.rewind(1)
    write(2, "again")
    assert read() == [(2, ["again"])]


def test_completions_are_not_read_where_no_samples_are_wanted(tmp_path: Path) -> None:
    Ledger(tmp_path, COMPLETIONS).append(1, {"completion": "secret"})
    Ledger(tmp_path).append(1, {"loss": 1.0})
    lines = Lines(tmp_path).read()
    assert lines is not None
    assert lines[0].shown == ()
