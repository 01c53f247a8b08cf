"""The drill itself: what it picks, how it judges, and that everything quick is handled on this machine."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lingshu_train import environment
from lingshu_train.drill import board, command, drilling, judging, lanes, page
from lingshu_train.drill import scene as scenes
from lingshu_train.drill.command import Ended
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.ground import Ground, Result
from lingshu_train.drill.record import Drill, Row
from lingshu_train.drill.scene import Scene, Skip
from lingshu_train.errors import CannotCreate, LingshuError, UsageError
from lingshu_train.running import warm
from lingshu_train.runs import processes

SOUND = Result((("model.safetensors", "0"),), ("1",))


def ended(code: int | None, line: str = "", **more: object) -> Ended:
    return Ended(**{"code": code, "seconds": 0.1, "line": line, "traceback": False, **more})  # type: ignore[arg-type]


WELL = ended(0)


def fault(first: Callable[[Scene], Ended], *codes: int, **more: object) -> Fault:
    return Fault(name="f", number="F1", says="", do=first, codes=codes, **more)  # type: ignore[arg-type]


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Row]:
    """Judge a fault whose commands end as the test says, and whose stage is unlike as it says."""

    def judged(one: Fault, *, again: Ended = WELL, unlike: str = "", left: tuple[str, ...] = ()) -> Row:
        ground = Ground(tmp_path)
        run = tmp_path / "scene"
        run.mkdir()
        made = Scene(ground, run, "sft", 1, random.Random(0))
        monkeypatch.setattr(Scene, "go_on", lambda self: again)
        monkeypatch.setattr(Scene, "unlike", lambda self: unlike)
        monkeypatch.setattr(judging.tree, "left", lambda *, within_s: list(left) if within_s else [])
        monkeypatch.setattr(judging, "_scene", lambda *_: made)
        return judging.judged(ground, one, time_=0, draw=random.Random(0))

    return judged


def test_what_is_told_rightly_and_gone_on_with_is_handled(judge: Callable[..., Row]) -> None:
    row = judge(fault(lambda _: ended(75, "lingshu: told to stop"), 75))
    assert (row.kind, row.code, row.again, row.equal) == ("handled", 75, 0, True)


@pytest.mark.parametrize(
    ("first", "codes", "kind", "why"),
    [
        (ended(None), (0,), "hang", "no end"),
        (ended(1, "ValueError: no"), (75,), "crash", "exit code 1 and not 75"),
        (ended(0), (65,), "crash", "exit code 0 and not 65"),
        (ended(65, "lingshu: x", traceback=True), (65,), "crash", "a traceback"),
        (ended(65, "something of a library"), (65,), "crash", "no line"),
    ],
)
def test_other_ends_are_not(
    first: Ended, codes: tuple[int, ...], kind: str, why: str, judge: Callable[..., Row]
) -> None:
    row = judge(fault(lambda _: first, *codes))
    assert row.kind == kind
    assert why in row.why


def test_an_end_with_0_and_other_bits_is_silent_at_once_and_after_the_same_command(
    judge: Callable[..., Row], tmp_path: Path
) -> None:
    row = judge(fault(lambda _: ended(0), 0), unlike="other weights")
    assert (row.kind, row.again) == ("silent", None)
    (tmp_path / "scene").rmdir()
    row = judge(fault(lambda _: ended(-9), -9), unlike="another ledger")
    assert (row.kind, row.again) == ("silent", 0)


def test_what_must_not_happen_is_silent_whatever_the_code(judge: Callable[..., Row]) -> None:
    def harms(scene: Scene) -> Ended:
        scene.harm = "code ran"
        return ended(77, "lingshu: refused")

    assert judge(fault(harms, 77)).kind == "silent"


def test_what_is_left_running_is_no_end(judge: Callable[..., Row]) -> None:
    row = judge(fault(lambda _: ended(75, "lingshu: x"), 75), left=("python",))
    assert (row.kind, row.why) == ("crash", "left running: python")


def test_a_run_that_cannot_be_gone_on_with_is_a_crash_unless_mended(judge: Callable[..., Row]) -> None:
    row = judge(fault(lambda _: ended(75, "lingshu: x"), 75), again=ended(1, "KeyError"))
    assert row.kind == "crash"
    assert "the same command again: 1, KeyError" in row.why


def test_what_a_machine_cannot_do_is_skipped_with_its_reason(judge: Callable[..., Row]) -> None:
    def cannot(scene: Scene) -> Ended:
        raise Skip("no right to mount")

    row = judge(fault(cannot, 74))
    assert (row.kind, row.why) == ("skipped", "no right to mount")


def test_a_result_says_how_it_is_unlike() -> None:
    assert SOUND.unlike(SOUND) == ""
    assert Result((), ()).unlike(SOUND) == "no weights"
    assert Result((("model.safetensors", "1"),), ("1",)).unlike(SOUND) == "other weights"
    assert Result(SOUND.weights, ("1", "2")).unlike(SOUND) == "another ledger"


def test_faults_are_picked_by_number_or_name_and_each_has_one_place() -> None:
    known = drilling.every()
    places = [(one.name, one.stage, one.ranks) for one in known]
    assert len(set(places)) == len(places), "scenes of two faults would lie in one folder"
    assert {one.number for one in drilling.chosen(drilling.Chosen(only=("f10",)))} == {"F10"}
    assert {one.name for one in drilling.chosen(drilling.Chosen(only=("kill",)))} == {"kill"}
    assert [one.ranks for one in drilling.chosen(drilling.Chosen(only=("kill.rl.2",)))] == [2]
    quick = drilling.chosen(drilling.Chosen(quick=True))
    assert 10 < len(quick) < len(drilling.chosen(drilling.Chosen()))
    with pytest.raises(UsageError, match="no such fault; there are: F1, F2, "):
        drilling.chosen(drilling.Chosen(only=("F99",)))


def test_a_folder_that_holds_something_else_is_not_drilled_in(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(CannotCreate, match="holds no drill"):
        drilling.run(tmp_path, drilling.Chosen(only=("kill",)), each=lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_damage_changes_one_bit_of_a_file_and_not_of_a_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(100))
    os.link(tmp_path / "a", tmp_path / "b")
    scenes.flip(tmp_path / "a", random.Random(0))
    changed = (tmp_path / "a").read_bytes()
    assert sum(byte.bit_count() for byte in changed) == 1
    assert (tmp_path / "b").read_bytes() == bytes(100)


def row(kind: str, **more: object) -> Row:
    plain = dict.fromkeys(("code", "again", "lost"), 0)
    told = {
        "fault": "kill",
        "number": "F1",
        "says": "killed",
        "stage": "sft",
        "ranks": 1,
        "time": 0,
        "kind": kind,
    }
    return Row.model_validate({**plain, **told, "line": "", "why": "", "seconds": 1.0, "equal": True, **more})


def drill(*rows: Row, stock: tuple[Row, ...] = ()) -> Drill:
    plain = {"version": "0", "python": "3", "packages": {}, "machine": "m", "cores": 2, "load_before": 0.0}
    return Drill.model_validate(
        {**plain, "seed": 0, "seconds": 1.0, "cpu_seconds": 1.0, "rows": rows, "stock": stock}
    )


def test_the_page_tells_the_worst_of_many_times_and_escapes_what_a_run_said() -> None:
    rows = (row("handled"), row("silent", time=1, why="<b>other weights</b>"), row("handled", time=2))
    made = drill(*rows, stock=(row("crash", stage="Trainer"), row("hang", stage="GRPOTrainer")))
    (group,) = page.groups(made)
    assert group.row.kind == "silent"
    assert dict(group.counts) == {"handled": 2, "silent": 1}
    assert [one.stage for one in group.stock] == ["Trainer"]
    text = page.text(made)
    assert "&lt;b&gt;other weights" in text
    assert "<b>other" not in text
    assert board.total(rows) == "3 faults: 2 handled, 1 silent, 0 crash, 0 hang"


def numbered(number: int) -> Row:
    return row("handled", time=number, line=str(os.getpid()))


def test_lanes_do_every_fault_once_each_in_a_process_of_its_own() -> None:
    found = dict(lanes.rows(9, numbered, lanes=2))
    assert {number: one.time for number, one in found.items()} == {number: number for number in range(9)}
    assert len({one.line for one in found.values()} - {str(os.getpid())}) == 2
    assert [one.line for _, one in lanes.rows(2, numbered, lanes=1)] == [str(os.getpid())] * 2


def test_what_one_lane_cannot_go_on_with_ends_the_others_and_what_they_have_started(tmp_path: Path) -> None:
    def do(number: int) -> Row:
        if number == 0:
            child = subprocess.Popen(["sleep", "600"])
            (tmp_path / "child").write_text(str(child.pid))
            child.wait()
        while not (tmp_path / "child").exists():
            time.sleep(0.01)
        raise LingshuError("nothing was drilled")

    with pytest.raises(LingshuError, match="nothing was drilled"):
        list(lanes.rows(2, do, lanes=2))
    assert processes.born(int((tmp_path / "child").read_text())) is None


def test_the_ground_is_made_once_by_the_first_lane_that_asks(tmp_path: Path) -> None:
    ground = Ground(tmp_path)

    def make(place: Path) -> None:
        place.mkdir()
        time.sleep(0.2)
        with (tmp_path / "made").open("a") as stream:
            stream.write("once\n")

    def do(number: int) -> Row:
        return row("handled", line=ground.once("place", make).name)

    assert {one.line for _, one in lanes.rows(4, do, lanes=2)} == {"place"}
    assert (tmp_path / "made").read_text() == "once\n"


@pytest.mark.parametrize("given", [{"cold": True}, {"preexec": "true"}, {}])
def test_what_starts_anew_does_so_in_a_drill_that_was_forked_too(
    given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's client reads its addresses when it is imported: a push forked from it would go past the drill's own hub."""
    monkeypatch.setattr(subprocess, "Popen", warm.Warm)
    process = command.start(["--version"], log=tmp_path / "log", variables=environment.inherited(), **given)
    assert isinstance(process.popen, warm.Warm) != bool(given)
    assert process.wait(60).code == 0


@pytest.mark.slow
def test_everything_quick_is_handled(tmp_path: Path) -> None:
    """A fault that a busy machine kept from being done is no verdict: it is done once more, alone."""
    out = tmp_path / "drill"
    bad, rows = drilled(out, "--quick")
    assert (out / page.NAME).is_file()
    assert sum(row["kind"] == "handled" for row in rows) >= 18
    missed = [row for row in bad if row["why"].startswith("the fault could not be done")]
    assert [(row["fault"], row["why"], row["line"]) for row in bad if row not in missed] == []
    if missed:
        again, _ = drilled(tmp_path / "again", "--only", ",".join(row["fault"] for row in missed))
        assert [(row["fault"], row["why"], row["line"]) for row in again] == [], missed


def drilled(out: Path, *words: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows that were not handled, and all."""
    command = [sys.executable, "-m", "lingshu_train", "drill", *words, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500, check=False)
    rows = json.loads((out / drilling.NAME).read_text(encoding="utf-8"))["rows"]
    bad = [row for row in rows if row["kind"] not in ("handled", "skipped")]
    assert done.returncode == (70 if bad else 0), done.stderr
    return bad, rows
