"""What a stage reads from outside its run, a base model or a prepared corpus, stays what it was while the run lasts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny

from lingshu_train.errors import DataError
from lingshu_train.model.settings import Settings
from lingshu_train.running import checking
from lingshu_train.runs import inputs, manifest, outside
from lingshu_train.runs.manifest import Outside
from lingshu_train.runs.outside import Source
from lingshu_train.runs.stage import Stage
from lingshu_train.stages import _kinds as kinds

KEY = "model.base"


@pytest.fixture
def base_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_bytes(name.encode() * 3)
    return folder


def stage(root: Path, name: str) -> Stage:
    return tiny.make_stage(root / "run", name, {"kind": "build", "corpus": "data"}, parents={})


def check(stage: Stage, folder: Path, world: int = 1) -> dict[str, Outside]:
    """As the worker does before a stage reads: every rank a share, then all of it."""
    names = tuple(sorted(path.name for path in folder.iterdir()))
    sources = {KEY: Source(named=str(folder), folder=folder, names=names)}
    every = [inputs.check(stage, rank=rank, world_size=world, sources=sources) for rank in range(world)]
    stage.path.mkdir(parents=True, exist_ok=True)
    return inputs.settle(stage, every, first=True, sources=sources).outside


def finish(stage: Stage, found: dict[str, Outside]) -> None:
    stage.write()
    here = manifest.environment(device="cpu", processor="", world_size=1, threads=1)
    read = manifest.Inputs(verified=manifest.Verified(read=0, known=0, seconds=0), outside=found)
    manifest.write(stage, ran_on=here, results={}, outputs=[], seconds=0.0, inputs=read)


def change(folder: Path) -> str:
    (folder / "model.safetensors").write_bytes(b"other weights")
    return "model.safetensors: has changed"


def take_away(folder: Path) -> str:
    (folder / "tokenizer.json").unlink()
    return "tokenizer.json: is gone"


def add(folder: Path) -> str:
    (folder / "chat_template.jinja").write_text("another template")
    return "chat_template.jinja: was added"


@pytest.mark.parametrize("damage", [change, take_away, add])
@pytest.mark.parametrize("world", [1, 2])
def test_a_base_that_changes_before_a_resume_is_named(
    damage: Callable[[Path], str], world: int, base_folder: Path, tmp_path: Path
) -> None:
    begun = stage(tmp_path, "align")
    first = check(begun, base_folder, world)
    assert check(begun, base_folder, world) == first, "an unchanged folder is read again without a word"
    said = damage(base_folder)
    with pytest.raises(
        DataError, match=rf"model\.base: {base_folder}/{said} since this stage began"
    ) as fault:
        check(begun, base_folder, world)
    assert fault.value.exit_code == 65
    assert "output=FOLDER" in str(fault.value) and "delete" not in str(fault.value)


@pytest.mark.parametrize("damage", [change, take_away, add])
def test_a_base_that_changes_between_two_stages_is_named(
    damage: Callable[[Path], str], base_folder: Path, tmp_path: Path
) -> None:
    one, two = stage(tmp_path, "align"), stage(tmp_path, "judge")
    finish(one, check(one, base_folder))
    said = damage(base_folder)
    with pytest.raises(DataError, match=rf"{said} since stage align read it"):
        check(two, base_folder)


def test_another_folder_is_another_matter(base_folder: Path, tmp_path: Path) -> None:
    one, two = stage(tmp_path, "align"), stage(tmp_path, "judge")
    finish(one, check(one, base_folder))
    copy = tmp_path / "other"
    copy.mkdir()
    (copy / "config.json").write_text("{}")
    assert set(check(two, copy)[KEY].files) == {"config.json"}


def test_the_manifest_tells_every_file_by_its_hash(base_folder: Path, tmp_path: Path) -> None:
    done = stage(tmp_path, "align")
    finish(done, check(done, base_folder))
    told = manifest.read(done.path).outside[KEY]
    assert told.files == {path.name: manifest.file_digest(path) for path in base_folder.iterdir()}


def test_a_stage_that_begins_from_the_base_reads_what_loading_it_may_read(base: Path, tmp_path: Path) -> None:
    published = base / "base" / "model"
    begins = tiny.make_stage(
        tmp_path, "align", tiny.sft(base=""), parents={}, model={**tiny.MODEL, "base": str(published)}
    )
    follows = tiny.make_stage(tmp_path, "deep", tiny.sft(base="align"), parents={}, model=begins.model)

    def read(stage: Stage) -> dict[str, Source]:
        config = kinds.read(stage.config, where="stages.x")
        return checking.outside(stage, config, Settings.model_validate_json(json.dumps(stage.model)))

    names = read(begins)[KEY].names
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(names)
    assert read(follows) == {}, "it reads the model of a stage, for which a manifest vouches"


def test_a_prepared_corpus_is_recorded_and_has_to_stay(tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    tiny.draw_corpus(tmp_path / "drawn", rows=12)
    (tmp_path / "drawn" / "corpus").rename(prepared)
    (prepared / "lengths-of-another-run.npy").write_bytes(b"made again where it is wrong")
    config = {
        "kind": "prepare",
        "cards": ["package_pydicom"],
        "image_size": 56,
        "questions": {},
        "prepared": str(prepared),
    }
    taken = tiny.make_stage(tmp_path / "run", "data", config, parents={})
    read, model = (
        kinds.read(config, where="stages.data"),
        Settings.model_validate_json(json.dumps(taken.model)),
    )
    taken.path.mkdir(parents=True)
    found = checking.check(taken, read, model)
    told = found.outside["stages.data.prepared"]
    assert told.named == str(prepared)
    assert set(told.files) == {
        path.name for path in prepared.iterdir() if not path.name.startswith("lengths-")
    }
    rows = next(path for path in prepared.iterdir() if path.suffix == ".arrow")
    rows.write_bytes(rows.read_bytes()[:-1] + b"x")
    with pytest.raises(
        DataError, match=rf"stages\.data\.prepared: {rows}: has changed since this stage began"
    ):
        checking.check(taken, read, model)


def test_a_damaged_record_of_a_stage_says_so(base_folder: Path, tmp_path: Path) -> None:
    begun = stage(tmp_path, "align")
    check(begun, base_folder)
    (begun.path / outside.NAME).write_text("{")
    with pytest.raises(DataError, match=r"outside\.json.*not JSON.*restore it"):
        check(begun, base_folder)
