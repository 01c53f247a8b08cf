"""Odd and wrong inputs: what can be read is read, what cannot is one line that says what would be right."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import strangers
from pictures import damaged

from lingshu_train.data.cards.card import Card

Add = Callable[..., Any]
Cards = Callable[[str], Card]


def pairs(folder: Path, **options: Any) -> Path:
    found = strangers.rows()
    strangers.pictures(folder, found)
    return strangers.write_csv(folder / "pairs.csv", found, **options)


def test_a_file_that_is_not_there(add: Add) -> None:
    done = add("none.csv", "--yes")
    assert (done.code, done.line) == (66, "lingshu: none.csv: no such file or folder")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file(content: bytes, tmp_path: Path, add: Add) -> None:
    (tmp_path / "pairs.csv").write_bytes(content)
    done = add(tmp_path / "pairs.csv", "--yes")
    assert done.code == 65
    assert done.line.endswith("pairs.csv: the file is empty")


def test_a_header_alone(tmp_path: Path, add: Add) -> None:
    (tmp_path / "pairs.csv").write_text("image,question,answer\n")
    done = add(tmp_path / "pairs.csv", "--yes")
    assert done.code == 65
    assert "no row below the header" in done.line


def test_pictures_that_lie_nowhere(tmp_path: Path, add: Add) -> None:
    done = add(strangers.write_csv(tmp_path / "pairs.csv", strangers.rows()), "--yes")
    assert done.code == 66
    assert "column 'image' names 'img/x0.png', and no such picture lies below" in done.line
    assert done.line.endswith("--images FOLDER")


def test_two_columns_that_could_be_the_answer(tmp_path: Path, add: Add, card: Cards) -> None:
    found = [{**row, "response": "other"} for row in strangers.rows()]
    strangers.pictures(tmp_path, found)
    path = strangers.write_csv(tmp_path / "pairs.csv", found)
    done = add(path, "--yes")
    assert done.code == 64
    assert done.line.endswith("several columns could be the answer: answer, response; say it with --answer")
    assert add(path, "--answer", "response", "--yes").code == 0
    assert card("pairs").lingshu.fields["answer"] == "response"


@pytest.mark.parametrize("missing", ["question", "answer"])
def test_a_column_that_must_be_there(missing: str, tmp_path: Path, add: Add) -> None:
    found = strangers.renamed(strangers.rows(), **{missing: "xyz"})
    if missing == "question":
        found = [{**row, "xyz": "Tell me"} for row in found]
    strangers.pictures(tmp_path, found)
    done = add(strangers.write_csv(tmp_path / "pairs.csv", found), "--yes")
    assert done.code == 64
    assert f"say it with --{missing}" in done.line


def test_one_question_for_all_rows(tmp_path: Path, add: Add, card: Cards) -> None:
    found = [{key: row[key] for key in ("image", "answer")} for row in strangers.rows()]
    strangers.pictures(tmp_path, found)
    path = strangers.write_csv(tmp_path / "pairs.csv", found)
    assert "--ask" in add(path, "--yes").line
    assert add(path, "--ask", "What is wrong?", "--yes").code == 0
    assert card("pairs").lingshu.fields["ask"] == "What is wrong?"


def test_pictures_named_without_what_they_end_in(tmp_path: Path, add: Add, card: Cards) -> None:
    found = strangers.rows(names="x{}")
    strangers.pictures(tmp_path / "img", found, behind=".png")
    done = add(strangers.write_csv(tmp_path / "pairs.csv", found), "--yes")
    assert done.code == 0, done.err
    assert done.said("image").endswith("img, with .png behind each name")
    assert card("pairs").lingshu.fields["suffix"] == ".png"


def test_the_first_line_that_is_for_excel(tmp_path: Path, add: Add) -> None:
    done = add(pairs(tmp_path, delimiter=";", first="sep=;\r\n"), "--yes")
    assert done.code == 0, done.err
    assert done.said("answers").startswith("30: ")
    assert "';' between cells" in done.said("table")


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030", "shift_jis"]
)
def test_every_encoding_is_read_and_said(encoding: str, tmp_path: Path, add: Add, card: Cards) -> None:
    texts = {"gb18030": "心脏是否增大？这张图片显示什么", "shift_jis": "この画像には何が見えますか"}
    found = [{**row, "question": texts.get(encoding, "Größe?")} for row in strangers.rows()]
    strangers.pictures(tmp_path, found)
    done = add(strangers.write_csv(tmp_path / "pairs.csv", found, encoding=encoding), "--yes")
    assert done.code == 0, done.err
    said = "utf-8" if encoding == "utf-8-sig" else encoding
    assert f"encoding {said}" in done.said("table")
    assert str(card("pairs").lingshu.fields.get("encoding", "utf-8")) == said
    assert found[0]["question"] in done.out


def test_semicolons_and_decimal_commas(tmp_path: Path, add: Add, card: Cards) -> None:
    found = [
        {**row, "question": "Wie groß (cm)?", "answer": f"{n},5"} for n, row in enumerate(strangers.rows())
    ]
    strangers.pictures(tmp_path, found)
    done = add(strangers.write_csv(tmp_path / "pairs.csv", found, delimiter=";"), "--yes")
    assert done.code == 0, done.err
    assert card("pairs").lingshu.fields["delimiter"] == ";"
    assert done.said("answers").startswith("30: short 30"), (
        "compared as text: the rules for numbers write a point"
    )
    assert all(line.endswith(",5") for line in done.out.splitlines() if " -> " in line)


def test_backslashes_of_windows(tmp_path: Path, add: Add) -> None:
    found = strangers.rows(names="img\\sub\\x{}.png")
    strangers.pictures(tmp_path, found)
    done = add(strangers.write_csv(tmp_path / "pairs.csv", found), "--yes")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-2].endswith("30 pictures, 30 decoded, whole")


def test_whole_paths_of_this_machine(tmp_path: Path, add: Add) -> None:
    found = strangers.rows(names=f"{tmp_path}/far/x{{}}.png")
    for number, row in enumerate(found):
        strangers.picture(Path(row["image"]), number)
    done = add(strangers.write_csv(tmp_path / "in" / "pairs.csv", found), "--yes")
    assert done.code == 0, done.err


def test_several_pictures_in_a_cell(tmp_path: Path, add: Add, card: Cards) -> None:
    found = [{**row, "image": f"a{n}.png;b{n}.png"} for n, row in enumerate(strangers.rows())]
    for number, row in enumerate(found):
        for name in row["image"].split(";"):
            strangers.picture(tmp_path / name, number + 100 * name.startswith("b"))
    done = add(strangers.write_csv(tmp_path / "pairs.csv", found), "--yes")
    assert done.code == 0, done.err
    assert card("pairs").lingshu.fields["separator"] == ";"


def test_a_few_missing_pictures_are_counted_and_many_are_refused(tmp_path: Path, add: Add) -> None:
    found = strangers.rows()
    strangers.pictures(tmp_path, found)
    path = strangers.write_csv(tmp_path / "pairs.csv", found)
    (tmp_path / "img" / "x3.png").unlink()
    (tmp_path / "img" / "x4.png").write_bytes(b"no picture")
    done = add(path, "--yes")
    assert done.code == 65
    assert done.said("missing").startswith("1 rows name a picture that is not there; the first: ")
    assert "2 of 30 rows are refused, more than --most-refused 0.01; the first: " in done.line
    assert not Path("pairs.yaml").exists()
    done = add(path, "--most-refused", "0.1", "--yes")
    assert done.code == 0
    assert done.err.count("left out: ") == 2
    assert "most_refused: 0.1" in Path("pairs.yaml").read_text()


def test_nothing_is_written_over(tmp_path: Path, add: Add) -> None:
    path = pairs(tmp_path)
    assert add(path, "--yes").code == 0
    before = Path("pairs.yaml").read_bytes()
    done = add(path, "--yes")
    assert done.code == 73
    assert done.line.startswith("lingshu: data_cards/pairs.md: is there already and is not written over")
    assert Path("pairs.yaml").read_bytes() == before
    Path("other.yaml").write_text("mine")
    assert add(path, "--name", "other", "--yes").code == 73
    assert Path("other.yaml").read_text() == "mine"


def test_a_name_that_a_card_of_ours_has(tmp_path: Path, add: Add) -> None:
    done = add(pairs(tmp_path), "--name", "slake", "--yes")
    assert (done.code, done.line) == (
        64,
        "lingshu: --name slake: there is a data card of this name; say another",
    )


WRONG = {
    "--name": ("../x", 64),
    "--images": ("nowhere", 66),
    "--question": ("nope", 64),
    "--answer": ("nope", 64),
    "--patient": ("nope", 64),
    "--options": ("nope", 64),
    "--window": ("1,2,x", 64),
    "--delimiter": (";;", 64),
    "--encoding": ("klingon", 64),
    "--modality": ("telepathy", 64),
    "--language": ("klingon", 64),
    "--answer-type": ("prose", 64),
    "--recipe": ("huge", 64),
    "--held-out": ("1.5", 64),
    "--most-refused": ("7", 64),
    "--split": ("nope", 64),
}


@pytest.mark.parametrize("flag", WRONG)
def test_a_wrong_flag_is_one_line(flag: str, tmp_path: Path, add: Add) -> None:
    value, code = WRONG[flag]
    done = add(pairs(tmp_path), flag, value, "--yes")
    assert done.code == code, done.err
    assert flag in done.line or value in done.line
    assert list(Path.cwd().iterdir()) == []


def test_flags_of_text_are_not_for_other_files(tmp_path: Path, add: Add) -> None:
    path = strangers.write_json(tmp_path / "pairs.json", strangers.rows())
    assert add(path, "--encoding", "latin-1", "--yes").code == 64
    assert add(path, "--delimiter", ";", "--yes").code == 64


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.txt", b"hello", "cannot read .txt"),
        ("book.xlsx", b"PK\x03\x04", "cannot read .xlsx"),
        ("rows.json", b"{}", "no column is known to hold the answers"),
        ("rows.json", b"[", "not JSON"),
        ("rows.jsonl", b"{\n", "not JSON"),
        ("rows.parquet", b"PAR1", "not Parquet"),
        ("rows.csv", b"a,b\n\x00\x01\x02,\x00\n", "NUL"),
        ("rows.csv", b'a,b\n"open,1\n', "not closed"),
        ("rows.csv", b"a,a\n1,2\n", "more than once"),
        ("ro{w}s.csv", b"a,b\n1,2\n", "braces"),
    ],
)
def test_files_that_are_no_tables(name: str, content: bytes, said: str, tmp_path: Path, add: Add) -> None:
    (tmp_path / name).write_bytes(content)
    done = add(tmp_path / name, "--yes")
    assert done.code in (64, 65)
    assert said in done.line


def test_folders_that_hold_nothing_to_add(tmp_path: Path, add: Add) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no table and no picture (it is empty)" in add(tmp_path / "empty", "--yes").line
    strangers.picture(tmp_path / "loose" / "a.png", 0)
    done = add(tmp_path / "loose", "--yes")
    assert done.code == 65
    assert "1 pictures and no labels: put a table" in done.line
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.nii.gz").write_bytes(b"\x1f\x8b")
    assert "holds volumes" in add(tmp_path / "scans", "--yes").line
    for name in ("a.csv", "b.csv"):
        strangers.write_csv(tmp_path / "two" / name, strangers.rows())
    assert "holds 2 tables (a.csv, b.csv); name the one to add" in add(tmp_path / "two", "--yes").line


def test_one_patient_cannot_be_divided(tmp_path: Path, add: Add) -> None:
    found = [{**row, "patient_id": "P1"} for row in strangers.rows()]
    strangers.pictures(tmp_path, found)
    path = strangers.write_csv(tmp_path / "pairs.csv", found)
    done = add(path, "--yes")
    assert done.code == 65
    assert (
        "all rows belong to one patient, so that none can be held out; --patient names another column"
        in done.line
    )
    assert add(path, "--patient", "none", "--yes").code == 0


def test_the_same_picture_under_two_names_is_said_and_kept_on_the_card(
    tmp_path: Path, add: Add, card: Cards
) -> None:
    found = [{key: row[key] for key in ("image", "question", "answer")} for row in strangers.rows(20)]
    for row in found:
        strangers.picture(tmp_path / row["image"], 0)
    done = add(strangers.write_csv(tmp_path / "pairs.csv", found), "--yes")
    assert done.code == 0
    assert "pictures are in two splits under different names" in card("pairs").lingshu.problems[0]
    assert "is in split" in done.out


def test_text_alone(tmp_path: Path, add: Add) -> None:
    found = [{"question": f"What is {n}?", "answer": f"it is {n}"} for n in range(20)]
    path = strangers.write_csv(tmp_path / "pairs.csv", found)
    assert "rows of text alone: --image none" in add(path, "--yes").line
    assert add(path, "--image", "none", "--yes").code == 0


def test_the_cards_that_come_with_lingshu_are_not_added_to(
    tmp_path: Path, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lingshu_train.data.cards import folders

    done = add(pairs(tmp_path), "--cards", folders.SHIPPED, "--yes")
    assert done.code == 64
    assert "lingshu init FOLDER" in done.line


def test_a_place_that_cannot_be_written(tmp_path: Path, add: Add) -> None:
    (tmp_path / "cards").write_text("a file")
    done = add(pairs(tmp_path), "--cards", tmp_path / "cards", "--yes")
    assert done.code == 73
    assert not Path("pairs.yaml").exists()


@pytest.mark.parametrize("seed", range(5))
def test_damaged_files_cost_a_line_and_never_a_traceback(seed: int, tmp_path: Path, add: Add) -> None:
    draw, table = random.Random(seed), strangers.rows(12)
    strangers.pictures(tmp_path, table)
    whole = [
        strangers.write_csv(tmp_path / "a.csv", table, delimiter=";", encoding="latin-1"),
        strangers.write_csv(tmp_path / "b.csv", table, encoding="utf-16"),
        strangers.write_json(tmp_path / "c.json", table),
        strangers.write_json(tmp_path / "d.jsonl", table),
    ]
    for path in whole:
        content = path.read_bytes()
        path.unlink()
        for number in range(3):
            bad = tmp_path / f"bad{number}{path.suffix}"
            bad.write_bytes(damaged(content, draw))
            done = add(bad)
            bad.unlink()
            assert done.code in (0, 64, 65, 66)
            assert done.code == 0 or done.line
