"""A run that was moved or copied is whole: it reads itself, and nothing of where it lay before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import made_up_run
import pytest
import tiny

from lingshu_train.hub import describing
from lingshu_train.kind import About
from lingshu_train.runs import inputs, manifest, run
from lingshu_train.runs.stage import Stage
from lingshu_train.runs.stage import read as read_stage


def places(folder: Path) -> list[str]:
    """Every path that the records of a run name."""
    found = run.read(folder)
    records: list[Stage] = []
    for entry in found.stages:
        records.append(read_stage(found.folder(entry) / "stage.json"))
        records.append(manifest.read(found.folder(entry)).stage)
    return [place for record in records for place in (record.folder, *record.parents.values())]


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
def test_a_moved_or_copied_run_names_its_own_folders(move: object, tmp_path: Path) -> None:
    made_up_run.build(tmp_path / "here", questions=3)
    move(tmp_path / "here", tmp_path / "there")  # type: ignore[operator]
    assert all(Path(place).parent == tmp_path / "there" for place in places(tmp_path / "there"))


def test_what_is_written_down_says_nothing_of_where_the_run_lies(tmp_path: Path) -> None:
    made_up_run.build(tmp_path / "here", questions=3)
    for path in [*(tmp_path / "here").glob("*/stage.json"), *(tmp_path / "here").glob("*/manifest.json")]:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text).get("stage", json.loads(text))
        assert found["folder"] == "."
        assert all(place.startswith("../") for place in found["parents"].values())
        assert str(tmp_path / "here") not in text


def test_a_run_of_an_older_version_that_was_moved_is_whole_too(tmp_path: Path) -> None:
    made_up_run.build(tmp_path / "here", questions=3)
    for path in (tmp_path / "here").glob("*/*.json"):
        if path.name in ("stage.json", "manifest.json"):
            data = json.loads(path.read_text(encoding="utf-8"))
            record = data.get("stage", data)
            record["folder"] = str(path.parent)
            record["parents"] = {
                name: str(path.parent.parent / Path(place).name) for name, place in record["parents"].items()
            }
            path.write_text(json.dumps(data), encoding="utf-8")
    assert all(Path(place).parent == tmp_path / "here" for place in places(tmp_path / "here"))
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert all(Path(place).parent == tmp_path / "there" for place in places(tmp_path / "there"))


def test_damage_to_the_original_is_no_damage_to_the_copy(tmp_path: Path) -> None:
    made_up_run.build(tmp_path / "here", questions=3)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    shutil.rmtree(tmp_path / "here")
    found = run.read(tmp_path / "there")
    for entry in found.stages:
        stage = read_stage(found.folder(entry) / "stage.json")
        assert manifest.finished(stage)
        assert inputs.check(stage, rank=0, world_size=1).faults == ()


def test_a_stage_runs_in_a_moved_run_whose_first_place_is_gone(base: Path, tmp_path: Path) -> None:
    """The model card of an export reads the manifests of all that it rests on."""
    here = tmp_path / "here"
    for name in ("data", "base"):
        shutil.copytree(base / name, here / name)
    sft = tiny.make_stage(here, "sft", tiny.sft(), parents={"data": here / "data", "base": here / "base"})
    sft.write()
    (sft.path / "model").mkdir()
    tiny.finish(sft, outputs=["model"])
    shutil.move(here, tmp_path / "there")
    moved = read_stage(tmp_path / "there" / "sft" / "stage.json")
    export = moved.model_copy(
        update={
            "name": "export",
            "folder": str(tmp_path / "there" / "export"),
            "parents": {"sft": moved.folder},
            "about": About(role="export", method="export"),
        }
    )
    lineage = describing.ancestors(export, ["sft"])
    assert {made.stage.name for made in lineage} == {"data", "base", "sft"}
    assert all(Path(made.stage.folder).parent == tmp_path / "there" for made in lineage)
