"""What is published beside weights names every manifest they descend from, and a run can be held against it."""

from __future__ import annotations

import json
from pathlib import Path

import made_up_run
import pytest
import tiny

from lingshu_train import cli
from lingshu_train.errors import DataError
from lingshu_train.hub import describing, provenance
from lingshu_train.runs import chain, erased, manifest, run
from lingshu_train.runs.files import write_json
from lingshu_train.runs.manifest import Manifest, Outside


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run whose export carries its provenance, as the export stage writes it."""
    folder = made_up_run.build(tmp_path / "run", questions=3)
    export = stage(folder, "export")
    lineage = describing.ancestors(export.stage, ["grpo", "evaluate"])
    provenance.write(export.stage.path / "export", provenance.of(lineage, model="grpo"))
    written_again(export)
    return folder


def stage(folder: Path, name: str) -> Manifest:
    found = run.read(folder)
    return manifest.read(found.folder(found.stage(name)))


def written_again(made: Manifest, **changes: object) -> None:
    changed = made.model_copy(update=changes)
    outputs = sorted({name.split("/")[0] for name in made.files})
    read = manifest.Inputs(verified=manifest.Verified(read=0, known=0, seconds=0), outside=changed.outside)
    manifest.write(
        changed.stage,
        ran_on=changed.environment,
        results=changed.results,
        outputs=outputs,
        seconds=7.0,
        inputs=read,
    )


def test_it_names_every_manifest_back_to_the_corpus_by_its_hash(finished: Path) -> None:
    told = provenance.read(stage(finished, "export").stage.path / "export")
    assert told and {one.stage for one in told.stages} == set(made_up_run.KINDS) - {"export"}
    for one in told.stages:
        made = stage(finished, one.stage)
        assert one.manifest == manifest.file_digest(made.stage.path / manifest.NAME)
        assert set(one.parents) == set(made_up_run.PARENTS[one.stage])
        known = {each.stage: each.manifest for each in told.stages}
        assert all(known[name] == sha256 for name, sha256 in one.parents.items()), "a chain of hashes"
    assert str(told) == "stage grpo of run made_up, 6 manifests back to prepare"


def test_no_place_of_a_machine_is_in_it(finished: Path, tmp_path: Path) -> None:
    prepare = stage(finished, "prepare")
    base = Outside(named=str(tmp_path / "models" / "published"), files={"config.json": "0" * 64})
    written_again(prepare, outside={"model.base": base})
    told = provenance.of([stage(finished, "prepare")], model="prepare")
    assert told.stages[0].outside == {"model.base": {"config.json": "0" * 64}}
    assert str(tmp_path) not in told.model_dump_json()


def test_a_run_that_is_not_the_one_that_was_published_is_told(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody wrote one manifest anew, and all the links to it: the chain of the run holds."""
    assert cli.main(["verify", str(finished)]) == 0
    capsys.readouterr()
    for name in ("shallow", "deep", "instruct", "grpo", "evaluate"):
        made = stage(finished, name)
        content = "0" * 64 if name == "shallow" else made.stage.content
        written_again(made, stage=made.stage.model_copy(update={"content": content}))
    written_again(stage(finished, "export"))
    assert cli.main(["verify", str(finished)]) == 65
    said = capsys.readouterr().out
    assert "links hold" in said
    shallow = stage(finished, "shallow").stage.path
    assert f"provenance.json: {shallow / manifest.NAME}: is not the one it names" in said


def test_a_stage_that_ran_again_to_the_same_files_is_told_and_holds(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written_again(stage(finished, "deep"))
    assert cli.main(["verify", str(finished)]) == 0
    assert "was written again since the export, for the same files" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "says"),
    [("{", "not JSON"), ('{"format": 2, "run": "a", "model": "b", "stages": []}', "format")],
)
def test_damage_is_one_line(content: str, says: str, finished: Path) -> None:
    place = stage(finished, "export").stage.path / "export"
    (place / provenance.NAME).write_text(content)
    with pytest.raises(DataError, match=says):
        provenance.read(place)


def test_a_gap_in_the_chain_is_told(finished: Path) -> None:
    place = stage(finished, "export").stage.path / "export"
    told = json.loads((place / provenance.NAME).read_text())
    told["stages"] = [one for one in told["stages"] if one["stage"] != "shallow"]
    (place / provenance.NAME).write_text(json.dumps(told))
    with pytest.raises(DataError, match="deep was made from shallow, of which it tells nothing"):
        provenance.read(place)


def test_an_export_of_an_older_version_has_none(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", questions=3)
    assert provenance.read(stage(folder, "export").stage.path / "export") is None
    assert cli.main(["verify", str(folder)]) == 0


def test_the_export_stage_writes_it_of_real_stages(base: Path, tmp_path: Path) -> None:
    """`warm` was trained from `base`, which was built from `data`, on `short`."""
    config = {"kind": "export", "model": "warm"}
    export = tiny.make_stage(tmp_path, "export", config, parents={"warm": base / "warm"})
    assert tiny.run(export) == 0, (export.path / "log.txt").read_text()
    told = provenance.read(export.path / "export")
    assert told and [one.stage for one in told.stages][-1] == "warm"
    named = {one.stage: one for one in told.stages}
    assert set(named) == {"data", "short", "base", "warm"}
    for name, one in named.items():
        assert one.manifest == manifest.file_digest(base / name / manifest.NAME)
        assert all(named[parent].manifest == sha256 for parent, sha256 in one.parents.items())
    links = list(chain.links([export.path]))
    assert {(link.child, link.holds) for link in links} >= {("export", "whole"), ("warm", "whole")}
    assert chain.broken(links) is None


def test_rows_that_were_erased_since_under_the_owners_key_are_told_and_hold(
    finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = stage(finished, "prepare")
    before = manifest.file_digest(prepare.stage.path / manifest.NAME)
    rows = next((prepare.stage.path / "corpus").glob("*.arrow"))
    rows.write_bytes(rows.read_bytes() + b"erased")
    written_again(prepare)
    left = erased.signed(stage(finished, "prepare"), rows="1", files=["corpus"], before=before)
    write_json(prepare.stage.path / manifest.NAME, manifest.portable(left))
    assert cli.main(["verify", str(finished)]) == 0
    assert "rows were erased of what the stage holds, since the export" in capsys.readouterr().out
    monkeypatch.setenv("LINGSHU_KEY", "another key, of somebody who erased nothing")
    assert cli.main(["verify", str(finished)]) == 65
