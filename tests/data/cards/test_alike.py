"""Layouts that differ from a card's: any card's data, rearranged as archives, mirrors and versions have it, gives the same rows."""

from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from published import serving
from published.tree import Served
from rearranged import CHANGES

from lingshu_train.data.cards import alike, pieces
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.data.checks import check as checking
from lingshu_train.data.corpus import chunks, corpus, preparing
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.hub import by_hand
from lingshu_train.record import Sample

SETS = ("medthoughts_8k", "pmc_vqa", "slake", "vqa_rad", "medical_o1_verifiable")
TOLD = {
    "wrapped": "all in a folder more, SET-main/",
    "as lines": "in place of",
    "as an array": "in place of",
    "misnamed": "in place of",
    "in one piece": "in place of",
    "doubled": "",
    "respelt": "key '",
}


def laid_out(name: str, folder: Path) -> Card:
    """The publisher's tree as a person copies it into the data folder, archives unpacked."""
    card = cards.load(name)
    (publisher,) = (one for one in serving.publishers() if one.name == name)
    served = Served(folder / "served")
    publisher.write(served)
    place = card.folder(folder / "data")
    shutil.copytree(served.hub(card.lingshu.source.name).root, place)
    if card.lingshu.source.unpack:
        by_hand.unpacked(card, folder / "data", say=lambda line: None)
        for path in place.glob("*.zip"):
            path.unlink()
    return card


def read(card: Card, folder: Path, out: str) -> tuple[list[Sample], str]:
    """All rows of a corpus without their ids, which name files, and the layout that is told. Check must agree."""
    chunks._reader.cache_clear()
    report = checking.check(card, folder / "data", terms=serving.TERMS)
    assert (report.problems, report.exit_code) == ((), 0)
    wanted = serving.TERMS.specification(card, list(card.files), folder / "data")
    summary = preparing.prepare(folder / out, wanted, workers=1, most_refused=1)
    told = summary.layouts.get(card.name, "")
    assert bool(report.otherwise) == (told not in ("", "as in `fields`")), report.otherwise
    rows = corpus.load(folder / out)
    return [rows.sample(number) for number in range(len(rows))], told


def same(samples: list[Sample]) -> list[tuple[object, ...]]:
    return [(one.split, one.question, one.options, one.answer, one.turns, one.images) for one in samples]


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("name", SETS)
def test_a_set_that_is_laid_out_otherwise_gives_the_same_rows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cards.load
    monkeypatch.setattr(cards, "load", lambda *args, **more: serving.as_served(real(*args, **more)))
    card = laid_out(name, tmp_path)
    place, kept = card.folder(tmp_path / "data"), tmp_path / "kept"
    shutil.copytree(place, kept)
    rows, told = read(card, tmp_path, "as it is")
    assert rows and told in ("", "as in `fields`")
    seen = 0
    for change, rearrange in CHANGES.items():
        shutil.rmtree(place)
        shutil.copytree(kept, place)
        if rearrange(place):
            seen += 1
            others, told = read(card, tmp_path, change)
            assert same(others) == same(rows), change
            assert TOLD.get(change, "") in told, change
            assert change == "sharded" or told not in ("", "as in `fields`"), change
    assert seen >= 2


def packed(folder: Path, kind: str) -> None:
    """Everything in `folder` as one archive in it."""
    inside = sorted(folder.iterdir())
    path = folder / f"set{kind}"
    if kind == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for one in inside:
                archive.write(one, one.name)
    else:
        with tarfile.open(path, "w:gz" if kind.endswith("gz") else "w") as tar:
            for one in inside:
                tar.add(one, one.name)
    for one in inside:
        one.unlink()


@pytest.mark.parametrize("kind", pieces.KINDS[:4])
@pytest.mark.parametrize("cut", [0, 3])
def test_another_kind_of_archive_whole_or_cut_unpacks_to_the_same(
    tmp_path: Path, kind: str, cut: int
) -> None:
    card = cards.load("medxpertqa_mm")
    pictures = card.folder(tmp_path)
    pictures.mkdir(parents=True)
    for name in ("a.png", "b.png"):
        (pictures / name).write_bytes(name.encode() * 2_000)
    packed(pictures, kind)
    whole = (pictures / f"set{kind}").rename(pictures / f"images{kind}")
    if cut:
        data = whole.read_bytes()
        size = -(-len(data) // cut)
        for number in range(cut):
            (pictures / f"{whole.name}.{number + 1:03}").write_bytes(
                data[number * size : (number + 1) * size]
            )
        whole.unlink()
    (line,) = by_hand.unpacked(card, tmp_path, say=lambda line: None)
    assert "2 files into" in line
    assert (pictures / "b.png").read_bytes() == b"b.png" * 2_000


def test_an_archive_without_one_of_its_pieces_is_one_line(tmp_path: Path) -> None:
    card = cards.load("medxpertqa_mm")
    place = card.folder(tmp_path)
    place.mkdir(parents=True)
    for number in (1, 3):
        (place / f"images.zip.{number:03}").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"images\.zip: lies there in 2 pieces, and piece 2 is missing"):
        by_hand.unpacked(card, tmp_path, say=lambda line: None)
    (place / "images.zip.001").unlink()
    (place / "images.zip.003").unlink()
    for name in ("images.zip", "images.z01"):
        (place / name).write_bytes(b"PK")
    with pytest.raises(DataError, match=r"join it first: zip -s 0 images\.zip"):
        by_hand.unpacked(card, tmp_path, say=lambda line: None)


def test_an_archive_that_no_card_names_is_unpacked_where_it_lies(tmp_path: Path) -> None:
    card = cards.load("medthoughts_8k")
    place = card.folder(tmp_path)
    place.mkdir(parents=True)
    (place / "MedThoughts-8K.jsonl").write_text("{}\n")
    packed(place, ".zip")
    assert cards.root(card, tmp_path) is None
    by_hand.unpacked(card, tmp_path, say=lambda line: None)
    assert cards.root(card, tmp_path) == place


@pytest.mark.parametrize(
    ("names", "pattern", "fault"),
    [
        (["a/t.jsonl", "t-00000-of-00002.json"], "t.json", ""),
        (["t.jsonl", "t-00000-of-00001.json"], "t.json", "could stand for it; leave one of them there"),
        (["t-00000-of-00001.parquet", "t-00000-of-00002.parquet"], "t-*.parquet", "shards of two divisions"),
        (["t-00000-of-00002.parquet", "v-00000-of-00001.parquet"], "{t,v}-*.parquet", ""),
    ],
)
def test_two_readings_are_refused_and_not_guessed(
    tmp_path: Path, names: list[str], pattern: str, fault: str
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = alike.fault(tmp_path, pattern, alike.readings(tmp_path, pattern))
    assert (fault in found) if fault else not found, found


def test_shards_that_are_not_all_there_are_told(tmp_path: Path) -> None:
    for number in (0, 2):
        (tmp_path / f"train-{number:05}-of-00003.parquet").touch()
    assert alike.seen(tmp_path, tmp_path, ["train-*.parquet"]) == ["2 of the 3 shards of train"]


def test_two_folders_around_the_files_are_told_as_a_question(tmp_path: Path) -> None:
    card = cards.load("medthoughts_8k")
    for name in ("old", "new"):
        (tmp_path / card.name / name).mkdir(parents=True)
        (tmp_path / card.name / name / "MedThoughts-8K.jsonl").write_text("{}\n")
    assert cards.root(card, tmp_path) is None
    wanted = serving.TERMS.specification(card, ["train"], tmp_path)
    with pytest.raises(MissingInput, match="holds its files in new and old; leave one of them there"):
        preparing.refuse(wanted)


def test_two_keys_that_could_be_meant_refuse_the_row(tmp_path: Path) -> None:
    from lingshu_train.data.rows import spelling
    from lingshu_train.data.rows.line import Line

    line = Line(file=tmp_path / "t.json", number=1, record=1, values={"Question": "a", "QUESTION": "b"})
    with pytest.raises(DataError, match="question: is missing, and 'Question' stands beside 'QUESTION'; say"):
        spelling.read(line, {"question": "text"})
    line = Line(file=tmp_path / "t.json", number=1, record=1, values={"imgPath": "a.png", "id": 1})
    found, told = spelling.read(line, {"image": "image"})
    assert (found.values["image"], told) == ("a.png", ("key 'imgPath' for 'image'",))


def test_a_picture_that_two_folders_hold_refuses_the_row(tmp_path: Path) -> None:
    from lingshu_train.data.rows import embedded
    from lingshu_train.data.rows.line import Line

    line = Line(file=tmp_path / "t.json", number=1, record=1, values={})
    for name in ("one", "two"):
        (tmp_path / name / "images").mkdir(parents=True)
        (tmp_path / name / "images" / "a.png").write_bytes(name.encode())
    with pytest.raises(DataError, match="could stand for it"):
        embedded.file(line, "image", tmp_path / "images", name="a.png")
    (tmp_path / "two" / "images" / "a.png").unlink()
    assert embedded.file(line, "image", tmp_path / "images", name="a.png").told


def test_one_record_alone_is_a_row(tmp_path: Path) -> None:
    from lingshu_train.data.rows import published

    (tmp_path / "t.json").write_text(json.dumps({"question": "Why?"}, indent=1))
    (line,) = published.read(tmp_path, "t.json")
    assert (line.values, line.told) == (
        {"question": "Why?"},
        "records without an array around them in a file called .json",
    )
