"""The report while a run goes on: what it says of how far it is, when it is written anew, and what happens if it cannot be."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import made_up_run
import pytest

from lingshu_train.report import gather, live, page
from lingshu_train.report.progress import progress
from lingshu_train.running import reporting
from lingshu_train.runs import run


def test_a_run_is_held_while_a_process_works_on_it_and_no_longer(tmp_path: Path) -> None:
    assert not run.held(tmp_path)
    with run.hold(tmp_path):
        assert run.held(tmp_path)
    assert not run.held(tmp_path)
    with run.hold(tmp_path):
        pass


def test_a_page_of_a_run_that_goes_on_says_how_far_it_is_and_reloads_itself(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", until="instruct")
    stage = next(folder.glob("grpo-*")) / "stage.json"
    record = json.loads(stage.read_text(encoding="utf-8"))
    record["config"]["steps"] = 60
    stage.write_text(json.dumps(record), encoding="utf-8")
    with run.hold(folder):
        text = " ".join(page.write(folder).read_text(encoding="utf-8").split())
    assert "step 13 of 60, 200 steps a minute, about 14 s left" in text
    assert 'max="60"' in text
    assert "▶ running" in text
    assert "stage grpo has not finished" not in text, "it is not a fault that it goes on"
    assert f'data-reload="{page.RELOAD_S}"' in text
    ended = page.write(folder).read_text(encoding="utf-8")
    assert "data-reload" not in ended.split("<script>")[0]
    assert "stage grpo has not finished" in ended


def test_the_steps_of_epochs_are_told_from_the_epoch_that_the_ledger_has(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", until="instruct")
    stage = next(folder.glob("grpo-*")) / "stage.json"
    record = json.loads(stage.read_text(encoding="utf-8"))
    record["config"]["epochs"] = 2
    stage.write_text(json.dumps(record), encoding="utf-8")
    with run.hold(folder):
        (going,) = progress(gather.view(folder))
    assert (going.done, going.total) == (13, 120)


def test_a_stage_that_counts_no_steps_is_told_without_them(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", until="grpo")
    with run.hold(folder):
        (going,) = progress(gather.view(folder))
        text = page.write(folder).read_text(encoding="utf-8")
    assert (going.name, going.done, going.total, going.per_minute) == ("evaluate", 0, None, None)
    assert "<progress " not in text


def test_watching_ends_with_the_run(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", until="instruct")
    said: list[str] = []
    with run.hold(folder):
        thread = threading.Thread(
            target=live.watch, args=(folder,), kwargs={"every_s": 0.05, "say": said.append}
        )
        thread.start()
        deadline = time.monotonic() + 20
        while len(said) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert thread.is_alive()
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert len(said) > 3
    assert "data-reload" not in (folder / page.NAME).read_text(encoding="utf-8").split("<script>")[0]


def test_the_page_is_written_anew_at_each_checkpoint_and_not_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made_up_run.build(tmp_path / "run", until="instruct")
    going = next(folder.glob("grpo-*"))
    written: list[int] = []
    monkeypatch.setattr(live.page, "write", lambda where: written.append(1))
    happens = iter(
        (
            lambda: None,
            lambda: (going / "ledger.jsonl").open("a").write('{"step": 15}\n'),
            lambda: (going / "checkpoints" / "step-00000012").mkdir(parents=True),
            lambda: None,
            lambda: (going / "manifest.json").write_text("{}"),
        )
    )
    counts: list[int] = []

    def over(_: float) -> bool:
        counts.append(len(written))
        step = next(happens, None)
        if step:
            step()
        return step is None

    live.follow(folder, over)
    assert counts == [1, 1, 1, 2, 2, 3]


def test_a_report_that_fails_costs_a_line_and_never_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with reporting.beside(tmp_path, said.append):
        reached = True
    assert reached
    (line,) = said
    assert line.startswith("lingshu: the report was not kept up to date: ")
    assert "no run.json" in line
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with reporting.beside(tmp_path, said.append):
        pass
    assert said[1].startswith("lingshu: the report is not kept up to date meanwhile: ")


def test_the_process_beside_a_run_writes_the_page_and_ends_with_it(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", until="instruct")
    said: list[str] = []
    with run.hold(folder), reporting.beside(folder, said.append):
        deadline = time.monotonic() + 30
        while not (folder / page.NAME).is_file() and time.monotonic() < deadline:
            time.sleep(0.02)
    assert said == []
    assert "▶ running" in (folder / page.NAME).read_text(encoding="utf-8")
