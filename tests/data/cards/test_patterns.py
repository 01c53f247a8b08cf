"""The same files are found by every pattern and spelling, through links too; a link that leads nowhere is told of."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from format_files import content, png, put, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lingshu_train.data.cards import patterns
from lingshu_train.errors import DataError, MissingInput

COMPOSED, APART = (unicodedata.normalize(form, "größe é") for form in ("NFC", "NFD"))
VQA = {"files": {"train": "t.jsonl"}}


def found(root: Path, pattern: str) -> list[str]:
    return sorted({path.relative_to(root).as_posix() for path in patterns.files(root, pattern)})


@pytest.mark.parametrize("disk", [COMPOSED, APART])
@pytest.mark.parametrize("card", [COMPOSED, APART])
def test_a_name_is_found_in_both_spellings_by_every_pattern(tmp_path: Path, disk: str, card: str) -> None:
    put(tmp_path / disk / f"{disk}.png", "x")
    for pattern in (
        *(f"{card}/{card}.png", f"*/{card}.png", f"{card}/*.png", f"**/{card}.png", f"{card[:2]}*/*.png"),
        *("????? ?/*.png", f"{{x,{card}}}/*", "**", f"./{card}/{card}.*"),
    ):
        assert found(tmp_path, pattern) == [f"{disk}/{disk}.png"], pattern
    assert patterns.match(f"{disk}/{disk}.png", [f"{card}/*.png"])
    put(tmp_path / "a" / disk / f"{disk}.png", png(8))
    put(tmp_path / "a" / "t.jsonl", f'{{"image": "{card}/{card}.png", "question": "Q", "answer": "A"}}')
    (row,) = read("table", tmp_path / "a", VQA)
    assert content(row.images[0]) == png(8) and row.images[0].name == f"{card}/{card}.png"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(st.sampled_from("aé가ỗ[]*?{}\u0301 "), min_size=1, max_size=6).filter(str.strip))
def test_any_name_in_any_spelling_is_that_of_its_file(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    root = tmp_path_factory.mktemp("names")
    put(root / unicodedata.normalize("NFD", name), "x")
    spelt = patterns.there(root, unicodedata.normalize("NFC", name))
    assert spelt.is_file() and patterns.there(root, spelt.name) == spelt


def test_two_files_whose_names_differ_in_spelling_alone_are_both_found_and_each_by_its_own(
    tmp_path: Path,
) -> None:
    put(tmp_path / COMPOSED, "composed")
    put(tmp_path / APART, "apart")
    assert patterns.there(tmp_path, APART).read_text() == "apart"
    assert patterns.there(tmp_path, COMPOSED).read_text() == "composed"
    assert len(found(tmp_path, "*")) == 2
    mixed = COMPOSED[:-1] + APART[-2:]
    assert not patterns.there(tmp_path, mixed).exists()


def test_links_are_followed_by_every_pattern_and_circles_are_not(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    put(elsewhere / "deep" / "1.png", "x")
    put(root / "own" / "2.png", "x")
    (root / "linked").symlink_to(elsewhere)
    (root / "own" / "3.png").symlink_to(elsewhere / "deep" / "1.png")
    (root / "own" / "up").symlink_to(root)
    (elsewhere / "deep" / "back").symlink_to(elsewhere)
    (root / "again").symlink_to(root / "own")
    (root / "own" / "self").symlink_to(root / "own" / "self")
    everything = ["linked/deep/1.png", "own/2.png", "own/3.png"]
    assert found(root, "**/*.png") == everything
    assert [name for name in found(root, "**") if name.endswith("png")] == everything
    assert found(root, "linked/*/1.png") == found(root, "*/deep/*.png") == ["linked/deep/1.png"]
    assert found(root, "again/*.png") == ["again/2.png", "again/3.png"]
    assert found(root, "own/../own/2.png") == ["own/2.png"]


def test_a_link_that_leads_nowhere_is_missed_and_not_forgotten(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        put(tmp_path / "img" / name / "1.png", png(9))
    (tmp_path / "img" / "dog" / "2.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "img" / "dog" / "3.png").symlink_to(tmp_path / "img" / "dog" / "3.png")
    fields = {"files": {"train": "img/*/*.png"}, "picture": "image", "modality": "CT"}
    with pytest.raises(DataError, match=r"2\.png:1: is a link that leads nowhere"):
        read("labelled_images", tmp_path, fields)
    (tmp_path / "t.jsonl").symlink_to(tmp_path / "gone.jsonl")
    with pytest.raises(MissingInput, match=r"t\.jsonl: a link that leads nowhere"):
        read("table", tmp_path, VQA)
    (tmp_path / "t.jsonl").unlink()
    put(tmp_path / "t.jsonl", '{"image": "img/dog/2.png", "question": "Q", "answer": "A"}')
    with pytest.raises(DataError, match=r"image: .*2\.png is a link that leads nowhere"):
        read("table", tmp_path, VQA)


def test_a_name_that_differs_in_case_alone_is_told_and_not_taken(tmp_path: Path) -> None:
    put(tmp_path / "A.PNG", png(9))
    put(tmp_path / "t.jsonl", '{"image": "a.png", "question": "Q", "answer": "A"}')
    with pytest.raises(DataError, match=r"image: no file .*a\.png; 'A\.PNG' beside it differs in case alone"):
        read("table", tmp_path, VQA)


def test_an_ending_in_capitals_is_the_same_ending(tmp_path: Path) -> None:
    put(tmp_path / "x" / "a.JPG", png(9))
    put(tmp_path / "t.jsonl", '{"image": "x/a.jpg", "question": "Q", "answer": "A"}')
    (row,) = read("table", tmp_path, VQA)
    assert row.images[0].path == tmp_path / "x" / "a.JPG"
    assert found(tmp_path, "x/*.jpg") == found(tmp_path, "**/*.{png,jpg}") == ["x/a.JPG"]
    put(tmp_path / "x" / "a.jpg", png(8))
    (row,) = read("table", tmp_path, VQA)
    assert row.images[0].path == tmp_path / "x" / "a.jpg", "the name as it stands comes first"


def test_of_two_endings_that_differ_in_case_alone_none_is_guessed(tmp_path: Path) -> None:
    put(tmp_path / "a.JPG", png(9))
    put(tmp_path / "a.Jpg", png(9))
    put(tmp_path / "t.jsonl", '{"image": "a.jpg", "question": "Q", "answer": "A"}')
    with pytest.raises(DataError, match=r"no file .* beside it differs in case alone"):
        read("table", tmp_path, VQA)


def test_capitals_in_folders_and_names_are_names_of_their_own(tmp_path: Path) -> None:
    for name in ("Train/1.png", "B.Roll/1.png", "v1.Release/1.png"):
        put(tmp_path / name, "x")
    assert (
        found(tmp_path, "train/*.png") == found(tmp_path, "t*/*.png") == found(tmp_path, "v1.r*/*.png") == []
    )


def test_folders_of_classes_have_their_labels_in_every_spelling(tmp_path: Path) -> None:
    for name in (APART, "other"):
        put(tmp_path / name / "1.png", png(9))
    labels = {COMPOSED: "a large one", "other": "another"}
    fields = {"files": {"train": "*/*.png"}, "labels": labels, "picture": "image", "modality": "CT"}
    rows = read("labelled_images", tmp_path, fields)
    assert {
        row.sample.options[row.sample.answer] for row in rows if row.sample.task == "template_finding"
    } == set(labels.values())
    assert all(row.images[0].exists() for row in rows)


def test_what_a_mac_or_a_tool_leaves_beside_the_data_is_matched_by_no_star(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/._1.png", "__MACOSX/a/1.png", ".cache/1.png", "a/.hidden/1.png"):
        put(tmp_path / name, "x")
    assert found(tmp_path, "**/*.png") == found(tmp_path, "*/*.png") == ["a/1.png"]
    assert found(tmp_path, "{b,a}/{x,.}/{1,2}.png") == ["a/1.png"], "groups in any number"
    assert found(tmp_path, "a/.*/1.png") == ["a/.hidden/1.png"], "a dot is asked for"
