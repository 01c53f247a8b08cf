"""A model's answers are kept under what it is, and two models never stand in one row of a table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny

from lingshu_train.errors import UsageError
from lingshu_train.evaluation import opened
from lingshu_train.evaluation.opened import Wish

CONFIG = {"model_type": "qwen2_5_vl", "text_config": {"hidden_size": 64, "num_hidden_layers": 2}}


def folder(place: Path, weights: bytes = b"first") -> Path:
    """What a model's folder looks like to who only names it: nothing is loaded before a question is asked."""
    place.mkdir(parents=True)
    (place / "config.json").write_text(json.dumps(CONFIG))
    (place / "model.safetensors").write_bytes(weights)
    return place


def identity(place: Path) -> str:
    return opened.model(str(place), Wish(device="cpu")).identity


def test_weights_that_were_trained_into_the_same_folder_are_another_model(tmp_path: Path) -> None:
    place = folder(tmp_path / "model")
    before = identity(place)
    assert identity(place) == before
    (place / "model.safetensors").write_bytes(b"later")
    assert identity(place) != before


def test_a_folder_that_was_moved_or_described_is_the_same_model(tmp_path: Path) -> None:
    place = folder(tmp_path / "model")
    before = identity(place)
    (place / "README.md").write_text("# A model")
    assert identity(place.rename(tmp_path / "elsewhere")) == before


def test_a_name_of_the_hub_is_the_commit_that_is_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    cached = tmp_path / "models--ada--tiny"
    (cached / "refs").mkdir(parents=True)
    found = []
    for commit in ("a" * 40, "b" * 40):
        folder(cached / "snapshots" / commit)
        (cached / "refs" / "main").write_text(commit)
        found.append(opened.model("ada/tiny", Wish(device="cpu")).identity)
    assert len(set(found)) == 2, "main has moved"


def test_models_that_are_called_alike_are_told_apart(tmp_path: Path) -> None:
    ends = ["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"]
    one, two = opened.models(ends, Wish(served="tiny"))
    assert (one.label, two.label) == (f"tiny ({ends[0]})", f"tiny ({ends[1]})")
    assert one.place != two.place
    (alone,) = opened.models(ends[:1], Wish(served="tiny"))
    assert alone.place == one.place, "its answers are found again beside another model"
    first, second = (folder(tmp_path / name / "rl", name.encode()) for name in ("a", "b"))
    named = opened.models([str(first), str(second)], Wish(device="cpu"))
    assert [each.label for each in named] == [str(first), str(second)], (
        "by their paths they are apart already"
    )


def test_one_model_twice_is_refused(tmp_path: Path) -> None:
    first, copy = folder(tmp_path / "a"), folder(tmp_path / "b")
    with pytest.raises(UsageError, match=f"{copy}: is the same model as {first}"):
        opened.models([str(first), str(copy)], Wish(device="cpu"))


def test_a_stage_is_what_its_manifest_says_that_it_left(tmp_path: Path) -> None:
    stage = tiny.make_stage(tmp_path, "warm", tiny.sft(), parents={})
    folder(stage.path / "model")
    stage.write()
    tiny.finish(stage, outputs=["model"])
    assert opened._content(stage.path / "model") == opened._content(folder(tmp_path / "plain"))
