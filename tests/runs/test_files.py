"""Files are replaced whole, keep their permissions, and are never written over what is being read."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from lingshu_train.errors import CannotCreate, OutputFailed, UsageError
from lingshu_train.runs import files


def test_a_block_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), files.replacing(path) as beside:
        beside.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_replaced_file_shows_itself_to_nobody_new(tmp_path: Path) -> None:
    path = tmp_path / "patients.jsonl"
    path.write_text("old")
    path.chmod(0o600)
    files.write_text(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_goes_on_pointing_where_it_did(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    there, link = tmp_path / "far" / "real.txt", tmp_path / "link.txt"
    there.write_text("old")
    link.symlink_to(there)
    files.write_text(link, "new")
    assert link.is_symlink()
    assert there.read_text() == "new"


def test_a_pipe_is_written_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        files.write_text(pipe, "through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    files.write_text(Path(os.devnull), "away")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_a_folder_where_a_file_should_go_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(CannotCreate, match="out: Is a directory"):
        files.write_text(tmp_path / "out", "text")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "thesis.tex"]


@pytest.mark.parametrize("name", ["a" * 255, "é" * 120 + ".jsonl"], ids=["longest", "longest in bytes"])
def test_a_name_as_long_as_the_disk_takes_can_be_written(name: str, tmp_path: Path) -> None:
    files.write_text(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text"


def test_a_name_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CannotCreate, match="File name too long"):
        files.write_text(tmp_path / ("a" * 300), "text")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_so_and_keeps_the_old_file(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("old")

    def refuse(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputFailed, match=r"kept\.txt: disk full"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("way", ["itself", "relative", "symlink", "hard link", "through a linked folder"])
def test_an_output_that_is_the_input_under_another_name_is_refused(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("rows")
    if way == "itself":
        out = source
    elif way == "relative":
        out = Path("../") / tmp_path.name / "in.jsonl"
    elif way == "symlink":
        out.symlink_to(source)
    elif way == "hard link":
        out.hardlink_to(source)
    else:
        (tmp_path / "door").symlink_to(tmp_path)
        out = tmp_path / "door" / "in.jsonl"
    with pytest.raises(UsageError, match="is also the input"):
        files.refuse_input(out, source)


def test_an_output_with_the_bytes_of_the_input_is_another_file(tmp_path: Path) -> None:
    for name in ("in.jsonl", "out.jsonl"):
        (tmp_path / name).write_text("rows")
    files.refuse_input(tmp_path / "out.jsonl", tmp_path / "in.jsonl")
    files.refuse_input(tmp_path / "new.jsonl", tmp_path / "in.jsonl")
    files.refuse_own_output(tmp_path / "in.jsonl", sys.stdout)
