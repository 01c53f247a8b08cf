"""What is said of a card whose rows are not here, where something else lies in its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import presence


def told(root: Path, *files: str, card: str = "pubmedvision") -> str:
    for name in files:
        path = root / card / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x", encoding="utf-8")
    return presence.how_to_get(cards.load(card), root)


def test_a_folder_too_many_and_another_name_are_told(tmp_path: Path) -> None:
    line = told(
        tmp_path, "PubMedVision-main/PubMedVision_Alignment_VQA.json", "a.jsonl", "b", "c", ".DS_Store"
    )
    assert line.endswith(
        f"; {tmp_path}/pubmedvision holds PubMedVision-main, a.jsonl, b and 1 more, and no PubMedVision_Alignment_VQA.json"
    )


def test_archives_that_a_person_put_there_are_to_be_unpacked(tmp_path: Path) -> None:
    line = told(tmp_path, "ImageClef-2019-VQA-Med-Training.zip", card="vqa_med_2019")
    assert line.endswith("holds an archive of it; to unpack: lingshu data unpack vqa_med_2019")
    line = told(tmp_path, "ImageClef-2019-VQA-Med-Validation.zip", card="vqa_med_2019")
    assert "holds 2 archives of it" in line


@pytest.mark.parametrize("files", [(), (".lingshu-source.json",), ("PubMedVision_Alignment_VQA.json",)])
def test_of_nothing_and_of_the_rows_themselves_nothing_more_is_said(
    tmp_path: Path, files: tuple[str, ...]
) -> None:
    assert " holds " not in told(tmp_path, *files)


def test_a_download_that_is_on_its_way_is_no_other_name(tmp_path: Path) -> None:
    journal = cards.load("pubmedvision").journal
    assert " holds " not in told(tmp_path, "half.json", journal)
