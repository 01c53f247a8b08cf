"""CSV and TSV, strictly: every line is a row, or refused as one row, or the file is an error. No part of a cell is a row."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from format_files import png, put, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lingshu_train.data.rows import delimited
from lingshu_train.data.rows.line import Fault
from lingshu_train.errors import DataError, LingshuError

CELL = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12
) | st.sampled_from(
    [
        '"',
        '""',
        ",",
        "\r",
        "\n",
        "\r\n",
        "a\nb,c\n",
        '"x',
        'x"',
        "\ufeff",
        " ",
        "x" * 140_000,
        "\u2028",
        "\x1c",
        "\x85",
    ]
)
ONCE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def found(path: Path, delimiter: str = ",", encoding: str = "") -> list[tuple[int, Any]]:
    return list(delimited.rows(path, delimiter=delimiter, encoding=encoding))


@ONCE
@given(
    table=st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=6)
    ),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(["", "utf-8-sig", "utf-16", "utf-32-le", "gb18030"]),
)
def test_what_a_writer_writes_is_read_back_cell_by_cell(
    tmp_path: Path, table: list[list[str]], delimiter: str, end: str, quoting: Any, encoding: str
) -> None:
    head = [f"column {number}" for number in range(len(table[0]))]
    stream = io.StringIO(newline="")
    # The writer leaves a line end of another sort without quotes where it is told to end lines in one way.
    sorts = (
        csv.QUOTE_ALL if any(sign in cell for row in table for cell in row for sign in "\r\n") else quoting
    )
    csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=sorts).writerows([head, *table])
    path = put(tmp_path / "t.csv", stream.getvalue().encode(encoding or "utf-8"))
    rows = [values for _, values in found(path, delimiter, encoding)]
    assert rows == [dict(zip(head, row, strict=True)) for row in table]


@ONCE
@given(text=st.text(st.sampled_from('ab,"\n\r\0é'), max_size=60), cut=st.integers(0, 60))
def test_whatever_a_file_holds_its_rows_come_whole_or_it_is_an_error(
    tmp_path: Path, text: str, cut: int
) -> None:
    path = put(tmp_path / "t.csv", b"a,b\n" + text.encode()[:cut])
    try:
        rows = found(path)
    except LingshuError as fault:
        assert "\n" not in str(fault) and str(fault).startswith(str(path))
        return
    for _, values in rows:
        assert isinstance(values, Fault) or set(values) == {"a", "b"}
    lines = text.encode()[:cut].split(b"\n")
    if not any(sign in text for sign in '"\r'):
        assert [number for number, _ in rows] == [
            number for number, line in enumerate(lines, start=2) if line
        ]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "1: the first line must name the columns, and it is empty"),
        (b"\n\na,b\n1,2\n", "1: the first line must name the columns, and it is empty"),
        (b"a,b\n", "holds no row below the header"),
        (b"a,b\n\n\n", "holds no row below the header"),
        (b"a,b,a\n1,2,3\n", "1: the header names 'a' more than once"),
        (b'a,b\n1,2\n3,"open\n5,6\n', '3: not CSV: a quote (") is opened in this row and not closed'),
        (
            b'a,b\n1,"x"y\n2,3\n',
            "2: not CSV: behind a closed quote stands something else than the end of the cell",
        ),
        (b'a,b\n1,"open,no\n2,"another",yes\n', "2: not CSV: behind a closed quote"),
        (b"a,b\n1,x\ry,2\n", "2: not CSV: a line end of another sort than the header's stands in a cell"),
        (b"a,b\r1,x\ny\r", "2: not CSV: a line end of another sort"),
        (
            b"Gr\xf6\xdfe,b\n1,2\n",
            "1: the header is not UTF-8; say its `encoding`, such as latin-1, in the card's fields",
        ),
        (
            "a,b\n1,2\n".encode("utf-16"),
            "1: the header is no text: it holds a NUL character; say `encoding: utf-16`",
        ),
        ("größe,b\n1,2\n".encode("utf-16-le"), "say `encoding: utf-16`"),
        (b"a\0,b\n1,2\n", "1: the header is no text: it holds a NUL character"),
        (
            b"image;question;answer\na;b;c\n",
            "1: the header is one cell, 'image;question;answer'; say `delimiter: ';'`",
        ),
        (b"image\tquestion\na\tb\n", r'say `delimiter: "\t"`'),
    ],
)
def test_a_file_whose_rows_cannot_be_told_apart_is_an_error_in_one_line(
    tmp_path: Path, content: bytes, fault: str
) -> None:
    path = put(tmp_path / "t.csv", content)
    with pytest.raises(DataError) as raised:
        found(path)
    assert str(raised.value).startswith(str(path)) and fault in str(raised.value)
    assert "\n" not in str(raised.value) and str(raised.value).encode()


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (
            b"a,b\n1\n1,2,3\n4,5\n",
            [(2, "1 cells, the header has 2"), (3, "3 cells, the header has 2"), (4, ("4", "5"))],
        ),
        (b"a,b\n1,\xe4\n4,5\n", [(2, "not UTF-8"), (3, ("4", "5"))]),
        (b"a,b\n1,\0\n4,5\n", [(2, "no text: it holds a NUL character"), (3, ("4", "5"))]),
        (b"a,b\n5\" disc,6'\n4,5\n", [(2, ('5" disc', "6'")), (3, ("4", "5"))]),
        (b'a,b\n"1\n2,3\n",x\n\n4,5\n', [(2, ("1\n2,3\n", "x")), (6, ("4", "5"))]),
        (b"a,b\n4,5", [(2, ("4", "5"))]),
        (b"a,b\n,\n4,5\n", [(2, ("", "")), (3, ("4", "5"))]),
        (b",a,b,\n0,4,5,\n", [(2, ("4", "5"))]),
        (b"\xef\xbb\xbfa,b\r\n4,5\r\n", [(2, ("4", "5"))]),
    ],
)
def test_a_line_is_a_row_or_refused_as_one_row(
    tmp_path: Path, content: bytes, rows: list[tuple[int, Any]]
) -> None:
    told = [
        (number, str(values) if isinstance(values, Fault) else (values["a"], values["b"]))
        for number, values in found(put(tmp_path / "t.csv", content))
    ]
    assert told == rows


def test_no_part_of_a_long_cell_becomes_a_row(tmp_path: Path) -> None:
    put(tmp_path / "figures" / "f.png", png(9))
    long = "first\n" + "x" * 140_000 + "\nf.png,quoted example,a,b,c,d,A\nlast"
    head = ["Figure_path", "Question", *(f"Choice {letter}" for letter in "ABCD"), "Answer"]
    stream = io.StringIO()
    csv.writer(stream).writerows(
        [head, ["f.png", long, "a", "b", "c", "d", "B"], ["f.png", "q", *"abcd", "C"]]
    )
    put(tmp_path / "t.csv", stream.getvalue().replace("\r\n", "\n"))
    rows = read("pmc_vqa_csv", tmp_path, {"files": {"train": "t.csv"}})
    assert [(row.sample.question, row.sample.answer) for row in rows] == [(long, "B"), ("q", "C")]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_every_format_of_tables_takes_delimiter_and_encoding(tmp_path: Path, encoding: str) -> None:
    put(tmp_path / "t.csv", "image;caption\nä.png;größer; als\n".replace("; als", "").encode(encoding))
    fields = {"files": {"train": "t.csv"}, "delimiter": ";", "encoding": encoding}
    (row,) = read("caption_pairs", tmp_path, fields)
    assert (row.sample.answer, row.images[0].name) == ("größer", "ä.png")
