"""Every kind of fault that `data check` refuses, through both commands as a person gives them: they end alike.

A row of FAULTS is a change to sound data and the code with which both must end, without a `--split` and with the same one.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from corpora import specification
from PIL import Image

from lingshu_train import cli
from lingshu_train.data.cards import fetched
from lingshu_train.data.cards.fetched import Fetched, FetchedFile
from lingshu_train.data.corpus import chunks, preparing, writer
from lingshu_train.naming import file_digest

CARD = """---
pretty_name: Made
license: mit
language: [en]
task_categories: [visual-question-answering]
lingshu:
  source: {kind: hub, name: a/b, folder: made}
  access: open
  licence: {id: MIT, redistribute: false, third_party_api: false}
  role: training
  format: slake_json
  fields: {files: {train: train.json, test: test.json}, images: imgs}
  overlaps: []
  splits: {}
---

# Made
"""


@dataclass(frozen=True)
class Made:
    """A card with its data: three pictures in train, one in test, and a benchmark beside them where a fault adds it."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data" / "made"

    def card(self, *changes: tuple[str, str], name: str = "made") -> None:
        """Write the card, with some of its text changed."""
        text = CARD
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        path = self.root / "cards" / f"{name}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def rows(self, split: str, *studies: str, answer: str = "Yes") -> None:
        rows = [row(study, answer) for study in studies]
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / f"{split}.json").write_text(json.dumps(rows), encoding="utf-8")
        for study in studies:
            path = self.data / "imgs" / study / "source.png"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (32, 32), f"#{zlib.crc32(study.encode()) % 2**24:06x}").save(path)

    def picture(self, study: str) -> Path:
        return self.data / "imgs" / study / "source.png"

    def recorded(self, *, revision: str = "f" * 40, name: str = "a/b", **more: FetchedFile) -> None:
        """A record as of a finished download of both files of rows, and of `more`."""
        files = {
            file: FetchedFile(sha256=file_digest(self.data / file), bytes=(self.data / file).stat().st_size)
            for file in ("train.json", "test.json")
        }
        record = Fetched(
            kind="hub",
            name=name,
            revision=revision,
            date="2026-11-01",
            cards=("made",),
            files={**files, **more},
        )
        fetched.write(self.data, record)

    def benchmark(self, *studies: str) -> None:
        """A benchmark card in the same folder."""
        self.card(
            ("role: training", "role: benchmark"),
            ("{train: train.json, test: test.json}", "{test: bench.json}"),
            name="made_test",
        )
        self.rows("bench", *studies)


def row(study: str, answer: str = "Yes") -> dict[str, str]:
    question = "Is the heart enlarged?"
    return {
        "img_name": f"{study}/source.png",
        "question": question,
        "answer": answer,
        "answer_type": "CLOSED",
        "q_lang": "en",
    }


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    monkeypatch.setenv("LINGSHU_CARDS", str(tmp_path / "cards"))
    found = Made(tmp_path)
    found.card()
    found.rows("train", "x1", "x2", "x3")
    found.rows("test", "x9")
    chunks._reader.cache_clear()
    yield found
    chunks._reader.cache_clear()


Change = Callable[[Made], object]


def stated(made: Made, text: str) -> None:
    made.card(("splits: {}", f"splits: {{{text}}}"))


def lost_on_the_way(made: Made) -> None:
    """The record names a shard of which nothing is known any more, so that nothing excuses a count."""
    made.recorded()
    (made.data / "train-more.json").write_text(json.dumps([row("x2")]))
    made.card(("train: train.json", "train: 'train*.json'"), ("splits: {}", "splits: {train: {rows: 9}}"))


def lost_and_found(made: Made) -> None:
    """One row too many in one split and one too few in the other: together as many as the card states."""
    lost_on_the_way(made)
    made.card(
        ("train: train.json", "train: 'train*.json'"),
        ("splits: {}", "splits: {train: {rows: 3}, test: {rows: 2}}"),
    )


def other_file(made: Made) -> None:
    """A shard was added to a download, so that nothing excuses the other file."""
    made.recorded()
    (made.data / "train-more.json").write_text(json.dumps([row("x2")]))
    made.card(
        ("train: train.json", "train: 'train*.json'"),
        ("splits: {}", f"splits: {{test: {{sha256: '{'0' * 64}'}}}}"),
    )


def torn(made: Made) -> None:
    path = made.data / "train.json"
    path.write_text(path.read_text()[:-9])


def same_bytes(made: Made) -> None:
    made.rows("test", "x9", "x8")
    shutil.copy(made.picture("x1"), made.picture("x8"))


def other_bytes(made: Made) -> None:
    made.recorded()
    path = made.data / "train.json"
    path.write_bytes(path.read_bytes().replace(b"enlarged", b"ENLARGED"))


def other_size(made: Made) -> None:
    made.recorded()
    path = made.data / "train.json"
    path.write_bytes(path.read_bytes() + b"\n")


def file_gone(made: Made) -> None:
    made.recorded(**{"more.json": FetchedFile(sha256="0" * 64, bytes=2)})


def archive(made: Made) -> None:
    """What was unpacked may lie there, whatever became of it, or be deleted."""
    (made.data / "imgs.zip").write_bytes(b"PK")
    files = {name: FetchedFile(sha256="0" * 64, bytes=2, unpacked=1) for name in ("imgs.zip", "deleted.zip")}
    made.recorded(**files)


def without_a_picture(made: Made) -> None:
    made.picture("x2").unlink()


def small_split_bad(made: Made) -> None:
    """Of all rows few are refused, of the test split all but one."""
    made.rows("train", *(f"y{number}" for number in range(400)))
    rows = [row("x9"), *(row("x9", "") for _ in range(3))]
    (made.data / "test.json").write_text(json.dumps(rows))


def few_bad(made: Made) -> None:
    made.rows("train", *(f"y{number}" for number in range(100)))
    rows = [*json.loads((made.data / "train.json").read_text()), row("y1", "")]
    (made.data / "train.json").write_text(json.dumps(rows))


def declared(made: Made) -> None:
    made.rows("test", "x1", "x9")
    made.card(("overlaps: []", "overlaps: [made]"))


def declared_benchmark(made: Made) -> None:
    made.benchmark("x1")
    made.card(("overlaps: []", "overlaps: [made_test]"))


def torn_benchmark(made: Made) -> None:
    made.benchmark("x7")
    (made.data / "bench.json").write_text("[")


FAULTS: dict[str, tuple[int, Change]] = {
    # The card.
    "an overlap that is no card": (65, lambda made: made.card(("overlaps: []", "overlaps: [nobody]"))),
    "credentialed, and its licence lets it go": (
        65,
        lambda made: made.card(
            ("access: open", "access: credentialed"), ("redistribute: false", "redistribute: true")
        ),
    ),
    "PhysioNet, and open": (65, lambda made: made.card(("kind: hub", "kind: physionet"))),
    "an unknown format": (65, lambda made: made.card(("slake_json", "slack_json"))),
    "an unknown key": (65, lambda made: made.card(("images: imgs", "imagse: imgs"))),
    "a variant with other splits": (
        65,
        lambda made: made.card(("  overlaps", "  variants: {old: {files: {train: old.json}}}\n  overlaps")),
    ),
    "a variant with an unknown key": (
        65,
        lambda made: made.card(("  overlaps", "  variants: {old: {imagse: x}}\n  overlaps")),
    ),
    "a key for the hub left out": (0, lambda made: made.card(("pretty_name: Made\n", ""))),
    # Its files.
    "no data": (66, lambda made: shutil.rmtree(made.data)),
    "a split without its file": (66, lambda made: (made.data / "test.json").unlink()),
    "a download that is whole": (0, lambda made: made.recorded()),
    "a downloaded file that is gone": (65, file_gone),
    "a downloaded file of another size": (65, other_size),
    "a downloaded file with other bytes": (65, other_bytes),
    "another revision": (
        65,
        lambda made: (made.recorded(), made.card(("name: a/b", f"name: a/b, revision: {'e' * 40}"))),
    ),
    "another source": (65, lambda made: made.recorded(name="c/d")),
    "an archive that was unpacked": (0, archive),
    "a file that is torn": (65, torn),
    # What the card states.
    "a count of files put there by hand": (0, lambda made: stated(made, "train: {rows: 9}")),
    "a count of a download that was changed": (65, lost_on_the_way),
    "two counts that are even together": (65, lost_and_found),
    "a checksum of a file put there by hand": (
        0,
        lambda made: stated(made, f"test: {{sha256: '{'0' * 64}'}}"),
    ),
    "a checksum of a download that was changed": (65, other_file),
    # Rows.
    "a file without a row": (65, lambda made: made.rows("test")),
    "a row refused of three": (0, without_a_picture),
    "two rows refused of three": (65, lambda made: [made.picture(one).unlink() for one in ("x1", "x2")]),
    "a damaged picture, the only one": (65, lambda made: made.picture("x9").write_bytes(b"no picture")),
    "many rows of a small split": (65, small_split_bad),
    "few rows of a large split": (0, few_bad),
    # Leaks.
    "a group in two splits": (65, lambda made: made.rows("test", "x1", "x9")),
    "a picture in two splits": (65, same_bytes),
    "a group in two splits, declared": (0, declared),
    "a benchmark's picture": (65, lambda made: made.benchmark("x1")),
    "a benchmark's picture, declared": (0, declared_benchmark),
    "a benchmark of other pictures": (0, lambda made: made.benchmark("x7")),
    "a benchmark that cannot be read": (0, torn_benchmark),
}


def ends(made: Made, capsys: pytest.CaptureFixture[str], *splits: str) -> tuple[int, int, str]:
    """With what code `data check` and `data prepare` end, and what the latter says."""
    where = ["--data-root", str(made.root / "data")]
    where += [text for split in splits for text in ("--split", split)]
    checked = cli.main(["data", "check", "made", *where])
    capsys.readouterr()
    prepared = cli.main(
        ["data", "prepare", "made", *where, "--workers", "1", "--out", str(made.root / f"out{len(splits)}")]
    )
    said = capsys.readouterr()
    return checked, prepared, said.out + said.err


@pytest.mark.parametrize("fault", FAULTS)
def test_what_check_refuses_prepare_refuses_and_the_reverse(
    fault: str, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    code, change = FAULTS[fault]
    change(made)
    checked, prepared, said = ends(made, capsys)
    assert (checked, prepared) == (code, code), said


def test_a_split_alone_is_held_against_no_other_by_either(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    made.rows("test", "x1", "x9")
    assert ends(made, capsys, "train")[:2] == (0, 0)
    assert ends(made, capsys, "train", "test")[:2] == (65, 65)


def test_a_leak_is_told_with_both_places_and_a_way_out(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    made.rows("test", "x1", "x9")
    said = ends(made, capsys)[2]
    line = next(line for line in said.splitlines() if "too (" in line)
    assert "test.json:1 #1: group 'x1' is in split train too (" in line and "train.json:1 #1)" in line
    assert line.endswith(
        "lingshu data check made tells of all; if they are meant to, name made among `overlaps` of the card made"
    )


def test_a_leak_is_still_known_after_a_kill(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shard is committed between the leak and the stop: the next run goes on behind it."""
    monkeypatch.setattr(writer, "SHARD_ROWS", 1)
    made.rows("test", "x1", "x9")
    assert [ends(made, capsys)[1] for _ in range(2)] == [65, 65]


def test_splits_that_a_recipe_reads_as_one_are_no_leak(made: Made) -> None:
    made.rows("test", "x1", "x9")
    merged = (("made", (("train", "train"), ("test", "train"))),)
    wanted = specification(made.root / "data", cards=("made",), splits=merged)
    assert preparing.prepare(made.root / "one", wanted, workers=2, most_refused=0).samples == 5
