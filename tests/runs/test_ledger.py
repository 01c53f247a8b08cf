"""A ledger is bytes: whatever a crash or a hand makes of it, a resumed run ends with the ledger of an uninterrupted one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
from layouts import Layout, stage_for

from lingshu_train.errors import DataError, OutputFailed
from lingshu_train.runs import checkpoint, ledger, results
from lingshu_train.runs.ledger import Ledger

ODD = "是否有结节？\u2028\u2029\u0085\u000b\u001c 好"
"""Text with every character that Python, though not JSON, takes for the end of a line."""


def written(folder: Path, last: int, *, name: str = ledger.NAME) -> Path:
    kept = Ledger(folder, name)
    for step in range(1, last + 1):
        kept.append(step, {"loss": 1.0 / step, "text": ODD})
    return kept.path


def saved(stage: Path, step: int) -> Path:
    folder = checkpoint.staging(stage, step) / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    ledger.carry(stage, folder, step=step)
    return checkpoint.commit(stage, folder, step=step, content="content", world_size=1)


def torn_in_a_character(data: bytes) -> bytes:
    return data[: data.rindex("好".encode()) + 1]


def not_utf8_in_the_middle(data: bytes) -> bytes:
    place = data.index("结".encode())
    return data[:place] + b"\xff" + data[place + 1 :]


def front_lost(data: bytes) -> bytes:
    return data.split(b"\n", 2)[2]


def one_bit(data: bytes) -> bytes:
    return data.replace(b"0.5", b"0.4", 1)


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "torn in a character": (torn_in_a_character, ""),
    "torn line": (lambda data: data[:-7], ""),
    "no last line feed": (lambda data: data[:-1], ""),
    "zeros at the end": (lambda data: data + b"\0" * 4096, ""),
    "a line of zeros at the end": (lambda data: data + b"\0" * 60 + b"\n", ""),
    "not UTF-8 in the middle": (not_utf8_in_the_middle, "was changed in line 1"),
    "front lost": (front_lost, "was changed in line 1"),
    "front lost, up to the checkpoint": (lambda data: b"\n".join(data.split(b"\n")[2:4]) + b"\n", "lost its beginning"),
    "one bit": (one_bit, "was changed in line 2"),
    "shortened": (lambda data: data[: data.index(b"\n") + 1], "lost its end"),
    "emptied": (lambda data: b"", "lost its end"),
    "a step twice": (lambda data: data.split(b"\n")[0] + b"\n" + data, "was changed in line 2"),
    "lines swapped": (lambda data: b"\n".join(data.split(b"\n")[1::-1]) + b"\n" + data, "was changed in line 1"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
@pytest.mark.parametrize("name", [ledger.NAME, ledger.COMPLETIONS])
def test_a_damaged_ledger_is_told_and_put_back_as_the_checkpoint_has_it(
    what: str, name: str, tmp_path: Path
) -> None:
    written(tmp_path, 4)
    path = written(tmp_path, 4, name=name) if name != ledger.NAME else tmp_path / name
    before = path.read_bytes()
    folder = saved(tmp_path, 4)
    Ledger(tmp_path, name).append(5, {"text": ODD})
    damage, said = DAMAGE[what]
    whole = path.read_bytes()
    path.write_bytes(damage(whole) if said else before + damage(whole[len(before) :]))
    told = ledger.restore(tmp_path, folder)
    assert path.read_bytes() == before
    assert bool(told) == bool(said)
    assert all(said in line and name in line and "step-00000004" in line for line in told)


def test_a_lost_ledger_is_told_and_put_back(tmp_path: Path) -> None:
    path = written(tmp_path, 3)
    before, folder = path.read_bytes(), saved(tmp_path, 3)
    path.unlink()
    assert ledger.restore(tmp_path, folder) == [
        f"{path}: was lost; put back as the checkpoint step-00000003 has it"
    ]
    assert path.read_bytes() == before
    assert ledger.restore(tmp_path, folder) == []


def test_without_a_checkpoint_every_step_is_done_again_and_said_so(tmp_path: Path) -> None:
    path = written(tmp_path, 3)
    assert "tells of 3 steps and no checkpoint is here" in ledger.restore(tmp_path, None)[0]
    assert path.read_bytes() == b""
    assert ledger.restore(tmp_path, None) == []


def test_time_outs_after_the_checkpoint_stay_and_a_torn_one_is_cut_away(tmp_path: Path) -> None:
    written(tmp_path, 2)
    timeouts = Ledger(tmp_path, ledger.TIMEOUTS)
    timeouts.append(1, {"key": "a"})
    folder = saved(tmp_path, 2)
    timeouts.append(3, {"key": "b"})
    whole = timeouts.path.read_bytes()
    timeouts.path.write_bytes(whole + b'{"key": "\xe7')
    assert ledger.restore(tmp_path, folder) == []
    assert timeouts.path.read_bytes() == whole
    timeouts.path.write_bytes(whole + b"\xff\n" + whole)
    assert "no time-outs" in ledger.restore(tmp_path, folder)[0]
    assert timeouts.path.read_bytes() == whole
    timeouts.path.unlink()
    assert "was lost" in ledger.restore(tmp_path, folder)[0]
    assert [line["key"] for line in ledger.steps(tmp_path, name=ledger.TIMEOUTS)] == ["a"]


@pytest.mark.parametrize("what", ["front lost", "one bit", "emptied", "a step twice", "lines swapped"])
def test_no_checkpoint_vouches_for_a_ledger_that_was_changed_meanwhile(what: str, tmp_path: Path) -> None:
    path = written(tmp_path, 4)
    saved(tmp_path, 4)
    Ledger(tmp_path).append(5, {"text": ODD})
    path.write_bytes(DAMAGE[what][0](path.read_bytes()))
    with pytest.raises(OutputFailed, match=r"ledger\.jsonl.*run the same command again"):
        saved(tmp_path, 5)


def test_a_checkpoint_reads_the_lines_since_the_one_before_alone_and_tells_their_place_in_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, 40)
    saved(tmp_path, 40)
    kept = Ledger(tmp_path)
    for step in (41, 42):
        kept.append(step, {"text": ODD})
    read: list[str] = []
    loads = json.loads

    def counted(text: str) -> object:
        read.append(text)
        return loads(text)

    monkeypatch.setattr(ledger.json, "loads", counted)
    ledger.check(tmp_path, steps=42)
    assert len(read) == 2
    with pytest.raises(OutputFailed, match="has 42 lines for 39 steps"):
        ledger.check(tmp_path, steps=39)
    kept.path.write_bytes(kept.path.read_bytes().replace(b'"step": 42', b'"step"  42'))
    with pytest.raises(OutputFailed, match=r"ledger\.jsonl:42: not JSON"):
        ledger.check(tmp_path, steps=42)


def test_a_stage_does_not_end_with_fewer_lines_than_steps(tmp_path: Path) -> None:
    written(tmp_path, 4)
    ledger.check(tmp_path, steps=4)
    with pytest.raises(OutputFailed, match="no line for step 5 and 1 more of 6"):
        ledger.check(tmp_path, steps=6)


def test_a_ledger_cut_while_it_is_written_stops_the_run(tmp_path: Path) -> None:
    kept = Ledger(tmp_path)
    kept.append(1, {})
    os.truncate(kept.path, 0)
    with pytest.raises(OutputFailed, match="lost lines while it was being written"):
        kept.append(2, {})


def test_a_checkpoint_of_a_time_before_copies_is_believed_where_the_ledger_is_whole(tmp_path: Path) -> None:
    path = written(tmp_path, 3)
    before, folder = path.read_bytes(), saved(tmp_path, 3)
    shutil.rmtree(folder / ledger.CARRIED)
    Ledger(tmp_path).append(4, {})
    assert ledger.restore(tmp_path, folder) == []
    assert path.read_bytes() == before
    path.write_bytes(front_lost(before))
    with pytest.raises(DataError, match="no line for step 1 and 1 more of 3, and the checkpoint"):
        ledger.restore(tmp_path, folder)


def test_lines_end_at_a_line_feed_alone(tmp_path: Path) -> None:
    written(tmp_path, 2)
    assert [line["text"] for line in ledger.steps(tmp_path)] == [ODD, ODD]
    (tmp_path / ledger.NAME).write_bytes(b'{"step": 1}\n\xff\n')
    with pytest.raises(DataError, match=r"ledger\.jsonl:2: not UTF-8 at byte 0"):
        ledger.steps(tmp_path)
    (tmp_path / ledger.NAME).write_bytes(b'{"step": 1}\n{"step": 2')
    with pytest.raises(DataError, match=r"ledger\.jsonl:2: the line has no end"):
        ledger.steps(tmp_path)
    assert len(ledger.steps(tmp_path, tolerate_torn_end=True)) == 1


def test_answers_are_read_as_they_were_kept_whatever_separators_they_hold(tmp_path: Path) -> None:
    one = results.Rollout(
        id="a", card="c", task="t", question=ODD, answer=ODD, options={}, step=1, completion=ODD,
        status="correct", reward=1.0,
    )  # fmt: skip
    results.keep(tmp_path, [one])
    with (tmp_path / ledger.COMPLETIONS).open("ab") as stream:
        stream.write(json.dumps({"question": "肺"}, ensure_ascii=False).encode()[:-3])
    assert [kept.completion for kept in results.rollouts(tmp_path)] == [ODD]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["lost", "not UTF-8"])
def test_a_killed_run_whose_ledger_was_damaged_ends_with_the_ledger_of_an_uninterrupted_one(
    what: str, base: Path, straight: Callable[[Layout], object], tmp_path: Path
) -> None:
    layout = ("sft", 1, "none")
    stage = stage_for(base, tmp_path, layout)
    tiny.kill_when(tiny.start(stage), lambda: tiny.steps_done(stage) >= 7)
    path = stage.path / ledger.NAME
    data = path.read_bytes()
    path.unlink() if what == "lost" else path.write_bytes(data.replace(b"loss", b"l\xffss", 1))
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    assert tiny.trajectory(stage.path) == tiny.trajectory(straight(layout).path)  # type: ignore[attr-defined]
    told = json.loads((stage.path / "manifest.json").read_text())["results"]["checkpoints_set_aside"]
    assert [line for line in told if "put back" in line and str(path) in line]
