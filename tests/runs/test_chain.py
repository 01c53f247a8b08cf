"""Each manifest names those it was made from, back to the corpora; the first link that does not hold is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import made_up_run
import pytest

from lingshu_train import cli
from lingshu_train.runs import chain, manifest, run
from lingshu_train.runs.manifest import Outside


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_run.build(tmp_path_factory.mktemp("chain") / "run", questions=3)


@pytest.fixture
def finished(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def folder(finished: Path, name: str) -> Path:
    found = run.read(finished)
    return found.folder(found.stage(name))


def rewrite(folder: Path, /, **changes: object) -> None:
    """Change a manifest by hand, as a person might."""
    path = folder / manifest.NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def run_again(stage: Path) -> None:
    """The stage's own end once more: same bytes, other times."""
    made = manifest.read(stage)
    (stage / manifest.NAME).unlink()
    outputs = sorted({name.split("/")[0] for name in made.files})
    manifest.write(made.stage, ran_on=made.environment, results=made.results, outputs=outputs, seconds=99.0)


def verify(finished: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = cli.main(["verify", str(finished)])
    return code, [line for line in capsys.readouterr().out.splitlines() if line.startswith("chain")]


def test_every_stage_of_a_run_is_chained_to_those_it_was_made_from(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    links = chain.of(run.read(finished))
    parents = {name: set(made_up_run.PARENTS[name]) for name in made_up_run.KINDS}
    assert {(link.child, link.parent) for link in links} == {
        (child, parent) for child, above in parents.items() for parent in above
    }
    assert {link.holds for link in links} == {"whole"}
    assert verify(finished, capsys) == (0, [f"chain: {len(links)} links hold, back to the corpora"])


def test_a_parent_that_ran_again_to_the_same_bytes_is_told_and_holds(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_again(folder(finished, "shallow"))
    code, told = verify(finished, capsys)
    assert code == 0
    assert any(
        "shallow was run again after deep was made from it, and left the same bytes" in line for line in told
    )


def test_a_ledger_with_other_times_does_not_break_the_chain(finished: Path) -> None:
    shallow = folder(finished, "shallow")
    (shallow / "ledger.jsonl").write_text((shallow / "ledger.jsonl").read_text().replace("seconds", "secs"))
    run_again(shallow)
    assert chain.broken(chain.of(run.read(finished))) is None


def test_a_parent_that_ran_again_to_other_bytes_breaks_it(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare = folder(finished, "prepare")
    rows = next((prepare / "corpus").glob("*.arrow"))
    rows.write_bytes(rows.read_bytes() + b"one row more")
    run_again(prepare)
    code, told = verify(finished, capsys)
    assert code == 65
    assert told[0].startswith("chain: broken at shallow <- prepare: ")
    assert "shallow was made from another prepare than the one here" in told[0]
    assert "delete" not in told[0] and "restore" in told[0]


def test_a_manifest_changed_by_hand_breaks_the_first_link_from_it(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own files are whole by the changed record: nothing but the chain can tell."""
    deep = folder(finished, "deep")
    stage = json.loads((deep / manifest.NAME).read_text())["stage"]
    rewrite(deep, stage={**stage, "content": "0" * 64})
    code, told = verify(finished, capsys)
    assert code == 65
    assert told[0].startswith("chain: broken at instruct <- deep: ")


def test_a_change_to_times_alone_is_told_as_made_again(finished: Path) -> None:
    """What lasts is the same, so that nothing tells it from a stage that ran again; a signature does (provenance.json)."""
    deep = folder(finished, "deep")
    rewrite(deep, finished="2020-01-01T00:00:00Z")
    (link,) = [link for link in chain.of(run.read(finished)) if link.told and link.child == "instruct"]
    assert (link.parent, link.holds) == ("deep", "made again")


def test_a_parent_that_is_not_there_breaks_it(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(folder(finished, "shallow"))
    code, told = verify(finished, capsys)
    assert code == 65
    assert "chain: broken at deep <- shallow" in told[0] and "restore it from a backup" in told[0]


def test_a_run_of_a_version_that_recorded_no_links_is_told_so_and_not_refused(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in made_up_run.KINDS:
        rewrite(folder(finished, name), inputs={})
    code, told = verify(finished, capsys)
    assert code == 0
    assert any("deep does not say which shallow it was made from" in line for line in told)


def test_one_link_taken_out_of_several_breaks_the_chain(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = folder(finished, "deep")
    inputs = dict(manifest.read(deep).inputs)
    assert len(inputs) > 1, "a corpus and the stage before"
    inputs.pop("shallow")
    rewrite(deep, inputs=inputs, links={})
    code, told = verify(finished, capsys)
    assert code == 65
    assert "broken at deep <- shallow" in told[0] and "and no shallow: it was changed" in told[0]


def test_an_older_manifest_without_what_lasts_still_holds_by_its_hash(finished: Path) -> None:
    for name in made_up_run.KINDS:
        path = folder(finished, name) / manifest.NAME
        older = {
            key: value
            for key, value in json.loads(path.read_text()).items()
            if key not in ("links", "outside")
        }
        made = manifest.Manifest.model_validate_json(json.dumps(older))
        found = made.model_copy(update={"stage": made.stage.at(path.parent)})
        path.write_text(json.dumps({**older, "inputs": manifest.parents_of(found.stage)}))
    assert {link.holds for link in chain.of(run.read(finished))} == {"whole"}
    run_again(folder(finished, "shallow"))
    assert chain.broken(chain.of(run.read(finished))) is not None, "nothing says that the bytes were the same"


def test_verify_says_of_a_base_model_whether_it_is_still_what_was_read(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "published"
    base.mkdir()
    (base / "config.json").write_text("{}")
    export = folder(finished, "export")
    sha256 = manifest.file_digest(base / "config.json")
    told = Outside(named=str(base), files={"config.json": sha256}).model_dump(mode="json")
    rewrite(export, outside={"model.base": told})
    assert cli.main(["verify", str(finished)]) == 0
    assert f"model.base {base}: 1 files as they were read" in capsys.readouterr().out
    (base / "config.json").write_text("{ }")
    assert cli.main(["verify", str(finished)]) == 0, "the run itself is whole"
    assert "config.json is gone or has changed since it was read" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_parent_whose_manifest_cannot_be_read_breaks_it(
    content: str, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder(finished, "shallow") / manifest.NAME).write_text(content)
    code, told = verify(finished, capsys)
    assert code == 65
    assert told[0].startswith("chain: broken at deep <- shallow: ") and "manifest.json" in told[0]
