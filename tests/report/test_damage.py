"""A run whose files are damaged has a report all the same, and the report says what it lacks."""

from __future__ import annotations

import html
from pathlib import Path

import made_up_run
import pytest

from lingshu_train.cli import look
from lingshu_train.errors import DataError
from lingshu_train.report import page


def test_a_damaged_ledger_is_said_and_the_rest_of_it_drawn(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", until="shallow")
    path = next(folder.glob("shallow-*")) / "ledger.jsonl"
    whole = page.write(folder).read_text(encoding="utf-8")
    path.write_bytes(b"[]\nnot json\n\xff\xfe\n" + path.read_bytes())
    text = page.write(folder).read_text(encoding="utf-8")
    said = (
        f"damaged: {path.parent.name}/ledger.jsonl: line 1 and 2 more are no line of a ledger, of 123 lines"
    )
    assert said in html.unescape(text)
    assert str(tmp_path) not in text, "where a run lies is nobody's concern who reads its page"
    assert text.count("<polyline") == whole.count("<polyline")


DAMAGED = {
    "shallow-*/ledger.jsonl": "Its ledger cannot be read",
    "grpo-*/completions.jsonl": "completions.jsonl: line 1",
    "evaluate-*/predictions/grpo.jsonl": "predictions/grpo.jsonl: line 1",
    "evaluate-*/results.json": "results.json",
    "deep-*/manifest.json": "manifest.json",
    "deep-*/stage.json": "stage.json",
}


@pytest.mark.parametrize("pattern", DAMAGED)
def test_whatever_file_is_damaged_the_page_is_written_and_says_so(pattern: str, tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", questions=12)
    next(folder.glob(pattern)).write_bytes(b"\x00\xff{\n")
    text = page.write(folder).read_text(encoding="utf-8")
    assert DAMAGED[pattern] in html.unescape(text)
    assert '<li class="damaged">damaged: ' in text


def test_a_ledger_that_is_gone_leaves_its_section_with_a_word(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", questions=12)
    (next(folder.glob("grpo-*")) / "ledger.jsonl").unlink()
    text = page.write(folder).read_text(encoding="utf-8")
    assert "<h3>grpo: reinforcement learning</h3>" in text
    assert "Its ledger cannot be read, so there is nothing to draw." in text
    assert "ledger.jsonl: missing or empty" in text


def test_the_verb_writes_the_page_and_ends_with_the_code_of_damaged_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made_up_run.build(tmp_path / "run", questions=12)
    assert look.report(folder) == 0
    with (next(folder.glob("grpo-*")) / "ledger.jsonl").open("ab") as stream:
        stream.write(b"cut\n")
    assert look.report(folder) == DataError.exit_code
    assert "lingshu: damaged: grpo-" in capsys.readouterr().err
    assert "no line of a ledger" in (folder / page.NAME).read_text(encoding="utf-8")
