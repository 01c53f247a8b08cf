"""Pictures are found in any of several folders, and by a name with or without its beginning."""

from __future__ import annotations

from pathlib import Path

import pytest
from format_files import png, put, read

from lingshu_train.data.rows import published
from lingshu_train.errors import DataError, MissingInput

FILMS = {
    "files": {"train": "t.csv"},
    "image": ["path"],
    "label": ["label"],
    "labels": {"a": "a nodule", "b": "a mass"},
    "suffix": ".png",
    "images": [".", "batch * (train *)"],
    "beginnings": ["v1/train/", "v1/"],
    "picture": "film",
}


def table(root: Path, *names: str) -> None:
    put(
        root / "t.csv",
        "path,label\n" + "".join(f"{name},{'ab'[place % 2]}\n" for place, name in enumerate(names)),
    )


def places(root: Path, fields: dict[str, object] | None = None) -> list[str]:
    """Where each of the row's pictures is looked for, and + where it is there."""
    rows = read("labelled_images", root, {**FILMS, **(fields or {})})
    found = {row.sample.group: row.images[0] for row in rows}
    return [
        f"{(one.path or root).relative_to(root).as_posix()}{'+' * one.exists()}" for one in found.values()
    ]


def test_the_first_folder_that_has_the_picture_counts_and_what_the_name_begins_with_may_be_left_out(
    tmp_path: Path,
) -> None:
    table(tmp_path, "v1/train/p1", "v1/train/p2", "v1/train/p3", "v1/train/p4.png")
    for place in (
        "v1/train/p1",
        "train/p2",
        "batch 2 (train 1)/p3",
        "batch 3 (train 2)/p4",
        "batch 3 (train 2)/p1",
    ):
        put(tmp_path / f"{place}.png", png(1))
    assert places(tmp_path) == [
        "v1/train/p1.png+",
        "train/p2.png+",
        "batch 2 (train 1)/p3.png+",
        "batch 3 (train 2)/p4.png+",
    ]


def test_a_picture_that_is_nowhere_is_missed_where_the_first_folder_would_have_it(tmp_path: Path) -> None:
    table(tmp_path, "p1", "p2")
    assert places(tmp_path, {"images": ["films", "*/films"]}) == ["films/p1.png", "films/p2.png"]
    put(tmp_path / "x" / "films" / "p2.png", png(1))
    put(tmp_path / "films.zip", "no folder")
    assert places(tmp_path, {"images": ["films*", "*/films"]}) == ["x/films/p1.png", "x/films/p2.png+"]


def test_no_folder_and_no_beginning_lead_out_of_the_data(tmp_path: Path) -> None:
    table(tmp_path, "v1/../../etc/passwd", "p2")
    with pytest.raises(DataError, match=r"t\.csv:2: name: must be a file name below"):
        places(tmp_path)
    table(tmp_path, "v1//etc/passwd", "p2")
    with pytest.raises(DataError, match=r"t\.csv:2: name: must be a file name below"):
        places(tmp_path)


def test_columns_with_the_same_words_are_spellings_of_one_label(tmp_path: Path) -> None:
    by_column = {"label": [], "labels": {"drusens": "drusen", "drusen": "drusen", "scar": "a scar"}}
    for spelling in ("drusens", "drusen"):
        put(tmp_path / "t.csv", f"path,{spelling},scar\np1,1,0\np2,0,1\n")
        rows = read("labelled_images", tmp_path, {**FILMS, **by_column})
        asked = {(row.sample.group, row.sample.question[-8:], row.sample.answer) for row in rows}
        assert {("p1.png", " drusen?", "yes"), ("p2.png", " drusen?", "no")} <= asked
    put(tmp_path / "t.csv", "path,scar\np1,0\n")
    with pytest.raises(DataError, match=r"t\.csv:2: drusens: is missing; the row has: path, scar"):
        read("labelled_images", tmp_path, {**FILMS, **by_column})


@pytest.mark.parametrize("between", ["\t", ","])
def test_a_table_of_an_archive_is_read_by_the_tabs_or_commas_that_stand_in_it(
    tmp_path: Path, between: str
) -> None:
    lines = [["path", "label"], ["p1", "a"], ["p2", "b"]]
    put(tmp_path / "t.tab", "".join(between.join(f'"{cell}"' for cell in line) + "\n" for line in lines))
    found = published.read(tmp_path, "t.tab")
    assert [dict(line.values) for line in found] == [
        {"path": "p1", "label": "a"},
        {"path": "p2", "label": "b"},
    ]


def test_one_file_is_asked_for_and_two_are_named(tmp_path: Path) -> None:
    put(tmp_path / "a" / "x.npy", "1")
    assert published.single(tmp_path, "**/x.npy") == tmp_path / "a" / "x.npy"
    put(tmp_path / "b" / "x.npy", "1")
    with pytest.raises(DataError, match=r"2 files match '\*\*/x\.npy', must be one: .*a/x\.npy, .*b/x\.npy"):
        published.single(tmp_path, "**/x.npy")
    with pytest.raises(MissingInput, match="no file matches"):
        published.single(tmp_path, "y.npy")
