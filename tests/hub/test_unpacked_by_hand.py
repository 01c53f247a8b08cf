"""`lingshu data unpack`: archives that a person has put into a card's folder are unpacked as a download would have them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from published.general import allava
from published.tree import Served

from lingshu_train.cli import main
from lingshu_train.data.cards import card as cards
from lingshu_train.data.checks import check as checking


def put(tmp_path: Path) -> Path:
    """The data folder of ALLaVA as somebody has it who downloaded the files of both repositories."""
    served = Served(tmp_path / "served")
    allava(served)
    folder = tmp_path / "data" / "allava"
    shutil.copytree(served.hub("FreedomIntelligence/ALLaVA-4V").root, folder)
    shutil.copytree(
        served.hub("Vision-Flan/vision-flan_191-task_1k").root, folder / "allava_vflan" / "images"
    )
    return tmp_path / "data"


def test_the_archives_of_all_sources_are_unpacked_where_the_card_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, card = put(tmp_path), cards.load("allava")
    before = checking.check(card, root)
    assert before.counts["refused"] and "lingshu data unpack allava" in before.problems[-1]
    assert main(["data", "unpack", "allava", "--data-root", str(root)]) == 0
    assert "files into" in capsys.readouterr().out
    after = checking.check(card, root)
    assert (after.counts.get("refused", 0), after.exit_code) == (0, 0)
    assert main(["data", "unpack", "allava", "--data-root", str(root)]) == 0, "again is no harm"
    assert checking.check(card, root).exit_code == 0


def test_where_the_rows_lie_and_no_archive_nothing_is_left_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = put(tmp_path)
    assert main(["data", "unpack", "allava", "--data-root", str(root)]) == 0
    for archive in root.rglob("*.zip"):
        archive.unlink()
    capsys.readouterr()
    assert main(["data", "unpack", "allava", "--data-root", str(root)]) == 0
    said = capsys.readouterr().out
    assert (
        f"{root}/allava: nothing to unpack; rows of allava lie there, and no archive (it has: allava_laion/"
        in said
    )
    (root / "medreason").mkdir()
    (root / "medreason" / "ours_quality_33000.jsonl").write_text("{}", encoding="utf-8")
    assert main(["data", "unpack", "medreason", "--data-root", str(root)]) == 0
    assert "(it has: none)" in capsys.readouterr().out


def test_a_folder_without_an_archive_of_the_card_says_which_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "unpack", "slake", "--data-root", str(tmp_path)]) == 66
    assert "holds no archive of slake (it has: imgs.zip)" in capsys.readouterr().err
