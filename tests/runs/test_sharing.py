"""A stage that one run has finished is taken over by another, whole, and says where it lies now."""

from __future__ import annotations

from pathlib import Path

import made_up_run
import pytest

from lingshu_train.hub import describing
from lingshu_train.naming import file_digest
from lingshu_train.runs import manifest, run, sharing
from lingshu_train.runs.stage import Stage
from lingshu_train.runs.stage import read as read_stage


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return made_up_run.build(tmp_path / "first", questions=3)


def stages(folder: Path, finished: Path) -> list[Stage]:
    """The finished run's stages as another run in `folder` plans them."""
    found = run.read(finished)
    records = [read_stage(found.folder(entry) / "stage.json") for entry in found.stages]
    return [
        record.model_copy(
            update={
                "folder": str(folder / record.path.name),
                "parents": {name: str(folder / Path(path).name) for name, path in record.parents.items()},
            }
        )
        for record in records
    ]


def test_what_is_taken_is_whole_and_costs_no_room(tmp_path: Path, finished: Path) -> None:
    folder = tmp_path / "second"
    for stage in stages(folder, finished):
        assert (
            sharing.take(stage, [tmp_path / "none", finished], describing.taken) == finished / stage.path.name
        )
        assert manifest.done(stage.path) and not manifest.damaged(stage.path)
    for file in finished.rglob("*"):
        if file.is_file() and file.name in ("ledger.jsonl", "results.json", "images-00000.tar"):
            assert (folder / file.relative_to(finished)).stat().st_ino == file.stat().st_ino


def test_its_records_say_where_it_lies_now(tmp_path: Path, finished: Path) -> None:
    for stage in stages(tmp_path / "second", finished):
        sharing.take(stage, [finished], describing.taken)
        made = manifest.read(stage.path)
        assert made.stage == stage == read_stage(stage.path / "stage.json")
        assert made.inputs == {
            name: file_digest(Path(parent) / manifest.NAME) for name, parent in stage.parents.items()
        }


def test_a_stage_of_other_content_is_not_taken(tmp_path: Path, finished: Path) -> None:
    first = stages(tmp_path / "second", finished)[0].model_copy(update={"content": "0" * 64})
    assert sharing.take(first, [finished], describing.taken) is None
    assert not first.path.exists()


def test_a_stage_that_has_begun_here_goes_on_here(tmp_path: Path, finished: Path) -> None:
    first = stages(tmp_path / "second", finished)[0]
    first.write()
    assert sharing.take(first, [finished], describing.taken) is None
    assert not manifest.done(first.path)


def test_an_unfinished_stage_is_not_taken(tmp_path: Path, finished: Path) -> None:
    first, second = stages(tmp_path / "second", finished)[:2]
    (finished / second.path.name / manifest.NAME).unlink()
    assert sharing.take(first, [finished], describing.taken)
    assert sharing.take(second, [finished], describing.taken) is None


def test_a_stage_without_those_it_reads_is_not_taken(tmp_path: Path, finished: Path) -> None:
    second = stages(tmp_path / "second", finished)[1]
    assert sharing.take(second, [finished], describing.taken) is None


@pytest.mark.parametrize("damage", ["manifest", "file", "gone"])
def test_a_damaged_stage_is_not_taken_and_stops_nothing(tmp_path: Path, finished: Path, damage: str) -> None:
    first = stages(tmp_path / "second", finished)[0]
    place = finished / first.path.name
    file = place / next(iter(manifest.read(place).files))
    if damage == "manifest":
        (place / manifest.NAME).write_text("{", encoding="utf-8")
    elif damage == "file":
        file.write_bytes(file.read_bytes() + b" ")
    else:
        file.unlink()
    assert sharing.take(first, [finished], describing.taken) is None
    assert not first.path.exists()


def test_a_kill_in_the_middle_leaves_no_half_stage(
    tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stages(tmp_path / "second", finished)[0]

    def killed(path: Path, data: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sharing, "write_json", killed)
        sharing.take(first, [finished], describing.taken)
    assert not first.path.exists()
    assert sharing.take(first, [finished], describing.taken)
    assert read_stage(first.path / "stage.json") == first
