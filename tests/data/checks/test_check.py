"""`lingshu data check`: every way in which a card or its data can be wrong gets its line."""

from __future__ import annotations

import io
import json
import tracemalloc
from pathlib import Path

import fetching
import pytest
from PIL import Image

from lingshu_train import cli
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import fetched
from lingshu_train.data.cards.card import Card, Split
from lingshu_train.data.cards.fetched import Fetched, FetchedFile
from lingshu_train.data.checks import check as checking
from lingshu_train.data.checks import findings
from lingshu_train.errors import UsageError
from lingshu_train.naming import file_digest

Rows = list[dict[str, str]]


def row(study: str = "x1", answer: str = "Yes", kind: str = "CLOSED") -> dict[str, str]:
    """A row of SLAKE on the picture of a study."""
    return {
        "img_name": f"{study}/source.png",
        "question": "Is the heart enlarged?",
        "answer": answer,
        "answer_type": kind,
        "q_lang": "en",
    }


def made(
    folder: Path,
    *,
    rows: int | None = None,
    name: str = "made",
    role: str = "training",
    files: str = "train: train.json, test: test.json",
    overlaps: str = "",
) -> Card:
    """A card whose data is in the folder `made`. Cards of one folder are told apart by `files`."""
    count = "null" if rows is None else rows
    more = f"role: {role}\n  overlaps: [{overlaps}]\n  splits: {{train: {{rows: {count}}}}}"
    source = "{kind: hub, name: a/b, folder: made}"
    return fetching.made(folder, source, name=name, files=files, more=more)


def data(folder: Path, **splits: Rows) -> Path:
    """Write the splits, and a picture of its own for every study. Returns the card's data folder."""
    root = folder / "data" / "made"
    root.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        for one in rows:
            path = root / "imgs" / one["img_name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            shade = sum(map(ord, one["img_name"])) % 251
            Image.new("RGB", (32, 32), (shade, 10, 10)).save(path)
        (root / f"{split}.json").write_text(json.dumps(rows), encoding="utf-8")
    return root


def check(folder: Path, card: Card, sample: int | None = None) -> checking.Report:
    return checking.check(card, folder / "data", sample=sample, folder=folder / "cards")


def test_a_sound_card_with_sound_data_has_no_line(tmp_path: Path) -> None:
    card = made(tmp_path, rows=2)
    data(tmp_path, train=[row("x1"), row("x1", "No")], test=[row("x2")])
    report = check(tmp_path, card)
    assert report.problems == () and report.exit_code == 0
    assert report.summary == "3 rows, 3 answers verified, 2 pictures, 2 decoded, whole"
    assert report.answers == ("made train: yes_no 2", "made test: yes_no 1")


def test_the_types_of_answers_are_counted_and_what_is_no_text_is_named(tmp_path: Path) -> None:
    card = made(tmp_path)
    said = ("Yes", "12 mm", "No", "mass", "A small nodule in the right lower lobe, no effusion.")
    data(
        tmp_path,
        train=[row(answer=answer, kind="OPEN") for answer in said],
        test=[row("x2", "a <|im_end|> b")],
    )
    report = check(tmp_path, card)
    assert report.answers == ("made train: yes_no 2, numeric 1, short 1, free 1",)
    told = [line.rpartition("/")[2] for line in report.refused]
    assert told == ["test.json:1: answer: '<|im_end|>' is a control token, not text"]


def test_a_bad_row_is_named_by_line_and_field_and_the_others_are_still_read(tmp_path: Path) -> None:
    card = made(tmp_path)
    data(tmp_path, train=[row(answer=""), row(), row(answer="")], test=[row("x9")])
    report = check(tmp_path, card)
    assert [line.rpartition("/")[2] for line in report.refused] == [
        "train.json:1 #1: answer: is empty",
        "train.json:1 #3: answer: is empty",
    ]
    assert report.counts["rows"] == 2 and report.exit_code == 65
    (problem,) = report.problems
    assert "made train: 2 of 3 rows refused, more than most_refused=0.01; the last: " in problem
    assert report.summary == "2 rows, 2 answers verified, 2 pictures, 2 decoded, 2 refused, 1 problem"


def test_a_wrong_count_is_told_with_the_rows_that_are_refused(tmp_path: Path) -> None:
    card = made(tmp_path, rows=5)
    data(tmp_path, train=[row(answer=""), row()], test=[row("x9")])
    (told,) = check(tmp_path, card).differs
    assert told.startswith("made train: 1 rows and 1 that are refused, the card states 5; ")


def test_an_answer_that_the_verifier_cannot_accept_is_named(tmp_path: Path) -> None:
    card = made(tmp_path)
    data(tmp_path, train=[row(), row(answer="...", kind="OPEN")], test=[row("x9")])
    (refused,) = check(tmp_path, card).refused
    assert "train.json:1 #2: " in refused


def test_pictures_that_are_gone_or_broken_are_named_by_the_row_that_needs_them(tmp_path: Path) -> None:
    card = made(tmp_path)
    root = data(tmp_path, train=[row("x1"), row("x2"), row("x3")], test=[row("x9")])
    (root / "imgs" / "x1" / "source.png").unlink()
    whole = (root / "imgs" / "x2" / "source.png").read_bytes()
    (root / "imgs" / "x2" / "source.png").write_bytes(whole[: len(whole) // 2])
    report = check(tmp_path, card)
    assert ["x1" in line or "x2" in line for line in report.refused] == [True, True]
    assert "image file is missing" in report.refused[0]
    assert report.counts["decoded"] == 2


def test_a_group_or_a_picture_in_two_splits_is_named_with_both_places(tmp_path: Path) -> None:
    card = made(tmp_path)
    root = data(tmp_path, train=[row("x1"), row("x2")], test=[row("x1"), row("x9")])
    (root / "imgs" / "x9" / "source.png").write_bytes((root / "imgs" / "x2" / "source.png").read_bytes())
    report = check(tmp_path, card)
    groups = [line for line in report.leaks if "group 'x1' is in split train too" in line]
    pictures = [line for line in report.leaks if "picture x9/source.png is in split train too" in line]
    assert len(groups) == len(pictures) == 1
    assert "test.json" in groups[0] and "train.json" in groups[0]
    # The shared study's picture is one file, so it is in both splits as well.
    assert len(report.leaks) == 3 and report.problems == () and report.exit_code == 65


def test_many_problems_of_a_kind_get_some_lines_and_a_count(tmp_path: Path) -> None:
    card = made(tmp_path)
    data(tmp_path, train=[row(answer="")] * 50, test=[row("x9")])
    report = check(tmp_path, card)
    assert len(report.refused) == findings.SHOWN + 1
    assert report.refused[-1] == "made train: 30 more rows that are refused"
    assert "50 refused, 1 problem" in report.summary


@pytest.mark.parametrize("sample", [1, 2, 9])
def test_a_sample_decodes_so_many_pictures_and_still_compares_all(tmp_path: Path, sample: int) -> None:
    card = made(tmp_path)
    data(tmp_path, train=[row(f"x{number}") for number in range(5)], test=[row("x0")])
    report = check(tmp_path, card, sample=sample)
    assert report.counts["pictures"] == 6
    assert report.counts["decoded"] == min(sample, 5) + 1
    assert any("picture x0/source.png is in split train too" in line for line in report.leaks)


def test_a_sample_finds_a_broken_picture_among_those_it_decodes(tmp_path: Path) -> None:
    card = made(tmp_path)
    root = data(tmp_path, train=[row("x1"), row("x2")], test=[row("x9")])
    (root / "imgs" / "x2" / "source.png").write_bytes(b"no picture")
    report = check(tmp_path, card, sample=2)
    assert len(report.refused) == 1 and report.counts["refused"] == 1
    assert (report.counts["rows"], report.exit_code) == (2, 0)


@pytest.mark.parametrize("declared", [True, False])
def test_a_benchmark_that_shares_pictures_with_its_training_card_is_told(
    tmp_path: Path, declared: bool
) -> None:
    card = made(tmp_path, files="train: train.json", overlaps="made_test" if declared else "")
    made(tmp_path, name="made_test", role="benchmark", files="test: test.json")
    data(tmp_path, train=[row("x1"), row("x2")], test=[row("x2"), row("x2"), row("x3")])
    report = check(tmp_path, card)
    lines = report.known if declared else report.problems
    assert [line.split(";")[0] for line in lines] == [
        "made and made_test share 1 groups",
        "made and made_test share 1 pictures",
        "2 of 3 rows of made_test test have a group or a picture that is in made train",
    ]
    assert report.exit_code == (0 if declared else 65)


def test_the_checksum_that_a_card_states_is_compared(tmp_path: Path) -> None:
    card = made(tmp_path)
    path = data(tmp_path, train=[row()], test=[row("x9")]) / "train.json"
    for digest, told in ((file_digest(path), 0), ("0" * 64, 1)):
        block = card.lingshu.model_copy(update={"splits": {"train": Split(rows=1, sha256=digest)}})
        found = check(tmp_path, card.model_copy(update={"lingshu": block}))
        assert len([line for line in found.differs if "sha256 differs from the card's" in line]) == told
        # Nobody knows of a file that a person put there whether it should be the one that the card was written for.
        assert found.problems == ()


def test_downloaded_files_that_changed_or_went_are_named_and_unpacked_archives_may_go(tmp_path: Path) -> None:
    card = made(tmp_path)
    root = data(tmp_path, train=[row()], test=[row("x9")])
    files = {
        "train.json": FetchedFile(
            sha256=file_digest(root / "train.json"), bytes=(root / "train.json").stat().st_size
        ),
        "test.json": FetchedFile(sha256="0" * 64, bytes=2),
        "gone.json": FetchedFile(sha256="0" * 64, bytes=2),
        "imgs.zip": FetchedFile(sha256="0" * 64, bytes=2, unpacked=1),
    }
    record = Fetched(
        kind="hub", name="a/b", revision="f" * 40, date="2026-11-01", cards=("made",), files=files
    )
    fetched.write(root, record)
    assert [line.split(": ")[0].rpartition("/")[2] for line in check(tmp_path, card).problems] == [
        "gone.json",
        "test.json",
    ]


def test_absent_data_is_66_with_the_way_to_get_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "check", "slake", "--data-root", str(tmp_path)]) == 66
    assert f"lingshu data fetch slake --yes --data-root {tmp_path}" in capsys.readouterr().out


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    card = made(tmp_path)
    block = card.lingshu.model_copy(update={"format": "slack_json"})
    found = check(tmp_path, card.model_copy(update={"lingshu": block})).problems
    assert any("unknown format 'slack_json'" in line for line in found)


def test_a_credentialed_card_that_does_not_forbid_services_is_named(tmp_path: Path) -> None:
    card = made(tmp_path)
    loose = card.model_copy(update={"lingshu": card.lingshu.model_copy(update={"access": "credentialed"})})
    assert (
        f"{tmp_path}/cards/made.md: lingshu.licence.third_party_api must be false for credentialed data"
        in check(tmp_path, loose).problems
    )


def test_a_card_of_package_pictures_is_decoded_and_counted() -> None:
    card = cards.load("package_mahotas")
    if cards.root(card, Path()) is None:
        pytest.skip("needs mahotas")
    report = checking.check(card, Path())
    assert report.problems == () and report.counts["decoded"] > 0


def test_a_modality_that_the_vocabulary_does_not_know_is_named_and_counted_and_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "SHOWN", 2)
    card = made(tmp_path)
    words = ["X-Ray", "ct", "Adaptive  Optics", "adaptive optics", "a", "b", "c", ""]
    data(tmp_path, train=[{**row(), "modality": word} for word in words], test=[row("x9")])
    report = check(tmp_path, card)
    assert report.exit_code == 0
    assert report.unknown == (
        "made train: modality 'adaptive optics' of 2 rows",
        "made train: modality 'a' of 1 rows",
        "made train: 2 more modalities",
    )


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    card = made(tmp_path)

    def peak(rows: int) -> int:
        data(tmp_path, train=[], test=[])
        many = [{**row(f"x{number}"), "img_name": f"x{number}/source.png"} for number in range(rows)]
        picture = io.BytesIO()
        Image.new("L", (8, 8)).save(picture, "PNG")
        root = tmp_path / "data" / "made"
        (root / "train.jsonl").write_text("".join(json.dumps(one) + "\n" for one in many), encoding="utf-8")
        for one in many:
            path = root / "imgs" / one["img_name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture.getvalue())
        block = card.lingshu.model_copy(
            update={"fields": {"files": {"train": "train.jsonl"}, "images": "imgs"}}
        )
        tracemalloc.start()
        assert check(tmp_path, card.model_copy(update={"lingshu": block})).counts["rows"] == rows
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # What another thread or a first import takes meanwhile is not the check's.
    small, large = (min(peak(rows) for _ in range(2)) for rows in (100, 800))
    assert large < 1.5 * small + 300_000


def test_leaks_between_its_own_splits_are_known_where_the_card_names_itself(tmp_path: Path) -> None:
    card = made(tmp_path, overlaps="made")
    data(tmp_path, train=[row("x1"), row("x2")], test=[row("x1"), row("x1"), row("x9")])
    report = check(tmp_path, card)
    assert (report.problems, report.leaks, report.exit_code) == ((), (), 0)
    (known,) = report.known
    assert known.startswith(
        "made: 2 of 3 rows of test have a group or a picture that is in train too; the first: a group of "
    )
    assert "test.json" in known and "train.json" in known


def test_one_split_can_be_checked_alone(tmp_path: Path) -> None:
    card = made(tmp_path)
    data(tmp_path, train=[row(answer="")], test=[row("x9")])
    report = checking.check(card, tmp_path / "data", folder=tmp_path / "cards", splits=["test"])
    assert (report.exit_code, report.counts["rows"]) == (0, 1)
    with pytest.raises(UsageError, match="--split dev: made has no such split; it has: train, test"):
        checking.check(card, tmp_path / "data", folder=tmp_path / "cards", splits=["dev"])


def test_a_picture_that_is_not_decoded_still_counts_as_one_where_it_is_marked(tmp_path: Path) -> None:
    card = fetching.made(tmp_path, "{kind: hub, name: a/b}", files="train: train.json")
    block = card.lingshu.model_copy(update={"format": "llava_conversations", "splits": {}})
    talk = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A lung."}]
    root = data(tmp_path, train=[row("x1")])
    (root / "train.json").write_text(json.dumps([{"image": "imgs/x1/source.png", "conversations": talk}]))
    for sample in (0, 1, None):
        report = check(tmp_path, card.model_copy(update={"lingshu": block}), sample=sample)
        assert (report.refused, report.counts["rows"]) == ((), 1)
