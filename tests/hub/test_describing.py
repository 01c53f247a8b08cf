"""An export that another run takes over says of itself what is so there, and its weights are the same files."""

from __future__ import annotations

from pathlib import Path

import made_up_run
import pytest

from lingshu_train import cli
from lingshu_train.hub import describing, provenance
from lingshu_train.naming import file_digest
from lingshu_train.runs import continuing, manifest, run, sharing
from lingshu_train.runs.stage import Stage
from lingshu_train.runs.stage import read as read_stage
from lingshu_train.runs.withdrawn import Gone

OTHER = "f" * 64


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose export says of itself what it was made from, as the export stage writes it."""
    made_up_run.card(tmp_path / "cards", "scans")
    monkeypatch.setenv("LINGSHU_CARDS", str(tmp_path / "cards"))
    folder = made_up_run.build(tmp_path / "first", questions=3)
    found = run.read(folder)
    export = manifest.read(found.folder(found.stage("export")))
    lineage = describing.ancestors(export.stage, ["grpo", "evaluate"])
    describing.write(export.stage.path / "export", lineage, model="grpo", adapter=False)
    manifest.write(
        export.stage, ran_on=export.environment, results={}, outputs=["export"], seconds=1.0, inputs=None
    )
    return folder


def second(finished: Path, folder: Path) -> list[Stage]:
    """The stages as another run plans them, and its record."""
    found = run.read(finished)
    records = [read_stage(found.folder(entry) / "stage.json") for entry in found.stages]
    stages = [
        record.model_copy(
            update={
                "folder": str(folder / record.path.name),
                "parents": {name: str(folder / Path(path).name) for name, path in record.parents.items()},
            }
        )
        for record in records
    ]
    run.write(folder, recipe=found.recipe, stages=stages, plan=found.plan)
    return stages


def test_where_nothing_differs_it_is_the_same_files(finished: Path, tmp_path: Path) -> None:
    for stage in second(finished, tmp_path / "second"):
        assert sharing.take(stage, [finished], describing.taken)
    for name in (provenance.NAME, describing.CARD, "model.safetensors"):
        one, other = (
            next(folder.glob(f"export-*/export/{name}")) for folder in (finished, tmp_path / "second")
        )
        assert one.samefile(other), name


def test_where_a_stage_has_another_name_it_says_so_and_verify_finds_all_whole(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if a row had been withdrawn that no step came to: from `deep` on, names are others and weights are not."""
    before = {path: file_digest(path) for path in finished.rglob("*") if path.is_file()}
    stages = second(finished, tmp_path / "second")
    gone = {"prepare": Gone(fingerprint="x", rows="3-4")}
    for stage in stages:
        if stage.name in ("prepare", "shallow"):
            assert sharing.take(stage, [finished], describing.taken)
            continue
        # The folders keep their names here, which nothing reads.
        renamed = stage.model_copy(update={"content": OTHER, "withdrawn": gone if stage.about.trains else {}})
        continuing.rename(renamed, read_stage(finished / stage.path.name / "stage.json"), describing.taken)
    place = stages[-1].path / describing.FOLDER
    old = finished / stages[-1].path.name / describing.FOLDER
    told = provenance.read(place)
    assert told and told.model == "grpo"
    for one in told.stages:
        here = next(stage for stage in stages if stage.name == one.stage)
        assert one.manifest == file_digest(here.path / manifest.NAME)
    card, was = ((folder / describing.CARD).read_text() for folder in (place, old))
    assert OTHER in card and "- deep: 2 rows of prepare" in card
    assert OTHER not in was and "withdrawn" not in was
    assert (place / "model.safetensors").samefile(old / "model.safetensors")
    capsys.readouterr()
    assert cli.main(["verify", str(tmp_path / "second")]) == 0
    said = capsys.readouterr().out
    assert provenance.NAME not in said and "changed or missing" not in said
    assert before == {path: file_digest(path) for path in finished.rglob("*") if path.is_file()}
