"""The page of all samples: what it holds of a run, up to which size, and what a browser makes of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import made_up_run
import pytest
from PIL import Image

from lingshu_train.report import browse, gather, page, thinking


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = made_up_run.build(tmp_path_factory.mktemp("browse") / "run")
    page.write(folder)
    return folder


def data(folder: Path) -> dict[str, Any]:
    text = (folder / page.SAMPLES).read_text(encoding="utf-8")
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    parsed: dict[str, Any] = json.loads(found)
    return parsed


def test_every_question_stands_on_it_with_every_models_answer_and_its_line(run: Path) -> None:
    found = data(run)
    assert found["models"] == list(reversed(made_up_run.TRAINED))
    assert len(found["samples"]) == found["total"] == 120
    for sample in found["samples"]:
        for file, answer in zip(found["files"], sample["answers"], strict=True):
            lines = (run / file).read_text(encoding="utf-8").splitlines()
            written = json.loads(lines[answer["line"] - 1])
            assert (written["id"], written["completion"]) == (sample["id"], answer["text"])
            assert (written["correct"], written["status"]) == (answer["right"], answer["status"])


def test_its_pictures_lie_beside_it_each_once_and_are_not_written_again(run: Path) -> None:
    pictures = {sample["picture"] for sample in data(run)["samples"]}
    assert len(pictures) == 12
    before = {path: path.stat().st_mtime_ns for path in (run / browse.FOLDER).iterdir()}
    assert {f"{browse.FOLDER}/{path.name}" for path in before} == pictures
    for path in before:
        with Image.open(path) as image:
            assert max(image.size) <= 320
    page.write(run)
    assert {path: path.stat().st_mtime_ns for path in (run / browse.FOLDER).iterdir()} == before


def test_a_picture_that_is_gone_is_said(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", questions=12)
    (next(folder.glob("prepare-*")) / "corpus" / "images.sqlite").unlink()
    page.write(folder)
    assert all(sample["lost"] and not sample["picture"] for sample in data(folder)["samples"])


def test_a_restricted_card_is_warned_of_on_it_too(tmp_path: Path) -> None:
    made_up_run.card(tmp_path / "cards", "scans", access="credentialed")
    folder = made_up_run.build(tmp_path / "run", questions=12)
    page.write(folder, cards=tmp_path / "cards")
    text = (folder / page.SAMPLES).read_text(encoding="utf-8")
    assert "data card scans is credentialed: this page shows samples, share it only as the data" in text


def test_a_large_run_has_as_many_samples_as_fit_the_same_whatever_their_order(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "MOST", 30)
    view = gather.view(run)
    flags = thinking.flags(view)
    few = browse.browsed(view, flags)
    assert (len(few.samples), few.total) == (30, 120)
    for lines in view.predictions.values():
        assert len(lines) == 120
    turned = {name: lines[::-1] for name, lines in view.predictions.items()}
    object.__setattr__(view, "predictions", turned)
    assert {sample.id for sample in browse.browsed(view, flags).samples} == {
        sample.id for sample in few.samples
    }
    monkeypatch.setattr(browse, "LARGEST", 2_000)
    assert 0 < len(browse.browsed(view, flags).samples) < 30
    assert "of 120 held-out questions, those with the smallest sha256" in " ".join(
        page.samples_page(view, flags).split()
    )


def test_a_run_that_measured_nothing_has_no_such_page_and_no_link_to_it(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", until="grpo")
    assert page.SAMPLES not in page.write(folder).read_text(encoding="utf-8")
    assert not (folder / page.SAMPLES).exists()
