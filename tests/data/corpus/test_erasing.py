"""What is erased of a corpus is nowhere in its files, and every other row, picture and place is as it was."""

from __future__ import annotations

import hashlib
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image

from lingshu_train.data.corpus import corpus, erasing
from lingshu_train.data.questions.opened import openable
from lingshu_train.errors import DataError
from lingshu_train.record import Sample
from lingshu_train.runs.withdrawn import MARK

SECRET = "Mrs Withdrawn of 5 Consent Lane"
GONE = np.array([2, 5], np.int64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight rows in shards of four; rows 5 and 6 share a picture, row 2 has one of its own and is a choice."""
    draw = np.random.default_rng(0)
    pictures = [Image.fromarray(draw.integers(0, 255, (56, 56), dtype=np.uint8)) for _ in range(8)]
    rows = []
    for n in range(8):
        choice = n == 2
        sample = Sample(
            id=f"case-{n} {SECRET}" if n in GONE else f"case-{n}",
            card="drawn",
            split="train",
            task="findings",
            question=f"What does {SECRET} have?" if n in GONE else "What is seen?",
            question_type="mcq" if choice else "free",
            answer="B" if choice else f"findings of {SECRET if n in GONE else n}",
            options={"A": "effusion", "B": "pneumothorax"} if choice else {},
            group=SECRET if n in GONE else f"patient-{n}",
            modality="drawn",
        )
        rows.append((sample, (pictures[5 if n == 6 else n],)))
    tiny.write_corpus(tmp_path / "corpus", rows, shard_rows=4)
    return tmp_path / "corpus"


@pytest.fixture
def erased(folder: Path, tmp_path: Path) -> Path:
    done = erasing.erase(corpus.load(folder), GONE, tmp_path / "erased", known={})
    assert (done.rows, done.pictures) == (2, 1), "row 6 keeps the picture that it shares with row 5"
    return tmp_path / "erased"


def whole(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_no_file_holds_a_text_or_the_picture_any_more(folder: Path, erased: Path) -> None:
    lost = corpus.load(folder).reader.record(2)["images"][0]["digest"]
    stored = corpus.stored(folder, lost)
    assert stored is not None and len(stored) > 1_000
    before, after = whole(folder), whole(erased)
    for trace in (SECRET.encode(), stored[100:400], bytes.fromhex(lost), lost[:16].encode()):
        assert trace in before, "the test looks for what is there"
        assert trace not in after
    assert corpus.stored(erased, lost) is None


def test_every_other_row_and_picture_is_as_it_was(folder: Path, erased: Path) -> None:
    one, other = corpus.load(folder), corpus.load(erased)
    assert len(one) == len(other) == 8
    for n in set(range(8)) - set(GONE.tolist()):
        assert one.sample(n) == other.sample(n)
        assert [picture.tobytes() for picture in one.pictures(n)] == [
            picture.tobytes() for picture in other.pictures(n)
        ]


def test_its_files_open_with_other_tools(erased: Path) -> None:
    with tarfile.open(erased / "images-00000.tar") as found:
        names = found.getnames()
    assert len(names) == 4
    assert sum(name.startswith("erased-") for name in names) == 1
    with closing(sqlite3.connect(erased / "images.sqlite")) as base:
        assert base.execute("select count(*) from images").fetchone() == (6,)


def test_what_orders_are_made_of_stays(folder: Path, erased: Path) -> None:
    one, other = corpus.load(folder), corpus.load(erased)
    assert one.fingerprint == other.fingerprint
    assert corpus.identity(folder) == corpus.identity(erased), "lengths and choices of rows hold on"
    for n in range(8):
        before, after = one.sample(n), other.sample(n)
        for name in ("card", "split", "task", "question_type", "modality"):
            assert getattr(before, name) == getattr(after, name)
        assert openable(before) == openable(after)
    assert openable(one.sample(2)), "a choice that can be asked openly is among them"
    assert corpus.read_summary(erased).erased == 2


def test_files_without_such_a_row_are_linked_and_the_source_is_untouched(
    folder: Path, tmp_path: Path
) -> None:
    before = hashlib.sha256(whole(folder)).hexdigest()
    erasing.erase(corpus.load(folder), np.array([2]), tmp_path / "erased", known={})
    for name in ("rows-00001.arrow", "images-00001.tar"):
        assert (folder / name).samefile(tmp_path / "erased" / name)
    for name in ("rows-00000.arrow", "images-00000.tar", "images.sqlite"):
        assert not (folder / name).samefile(tmp_path / "erased" / name)
    assert hashlib.sha256(whole(folder)).hexdigest() == before


def test_a_picture_that_is_still_asked_for_is_told(folder: Path, erased: Path) -> None:
    """Nobody gets zeros for a picture: the old row's place is blank, and its hash would not fit."""
    location = corpus.load(folder).reader.record(2)["images"][0]
    data = corpus.load(erased).reader.read(erasing.Location(**location))
    assert data == bytes(location["size"])
    with pytest.raises(DataError, match="no image"):
        corpus.load(erased).image(location["digest"])


def test_what_was_made_from_a_lost_row_no_longer_names_it(tmp_path: Path) -> None:
    parents = {"a#1:lost": (), "b#1:made": ("lost", "kept"), "b#2:other": ("kept",)}
    rows = [
        Sample(
            id=name,
            card="drawn",
            split="train",
            task="findings",
            question="What is seen?",
            question_type="free",
            answer=f"of {name[0]}",
            parents=made,
        )
        for name, made in parents.items()
    ]
    tiny.write_corpus(tmp_path / "corpus", [(one, ()) for one in rows], shard_rows=1)
    done = erasing.erase(corpus.load(tmp_path / "corpus"), np.array([0]), tmp_path / "erased", known={})
    left = corpus.load(tmp_path / "erased").reader
    assert left.record(1) == {**corpus.load(tmp_path / "corpus").reader.record(1), "parents": [MARK, "kept"]}
    assert b"lost" not in whole(tmp_path / "erased")
    assert "rows-00002.arrow" not in done.files and "rows-00001.arrow" in done.files
