"""What `lingshu papers` writes, where, and what it refuses; a paper that a person has changed stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import paper_run
import pytest

from lingshu_train import cli, naming, papers
from lingshu_train.errors import CannotCreate
from lingshu_train.hub import provenance
from lingshu_train.papers import _writing
from lingshu_train.runs import manifest

FILES = {
    "md": ["claim.md", "model_facts.md", "papers.json", "sbom.cdx.json", "training_data.md", "tripod_llm.md"],
    "html": [
        "claim.html",
        "model_facts.html",
        "papers.json",
        "sbom.cdx.json",
        "training_data.html",
        "tripod_llm.html",
    ],
    "json": [
        "claim.json",
        "model_facts.json",
        "papers.json",
        "sbom.cdx.json",
        "training_data.json",
        "tripod_llm.json",
    ],
}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    with paper_run.built(tmp_path) as folder:
        yield folder


@pytest.mark.parametrize("form", FILES)
def test_every_paper_is_written_beside_the_run(
    form: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["papers", str(run), "--format", form]) == 0
    assert sorted(path.name for path in (run / "papers").iterdir()) == FILES[form]
    lines = capsys.readouterr().out.splitlines()
    index = json.loads((run / "papers" / "papers.json").read_text(encoding="utf-8"))
    assert len(lines) == len(index["files"]) == 5
    for line in lines:
        name = Path(line.partition(": ")[0]).name
        assert line.partition(": ")[2].startswith(f"{index['files'][name]['to_be_written']} to be written")


def test_one_paper_alone_goes_where_it_is_wanted(run: Path, tmp_path: Path) -> None:
    assert cli.main(["papers", str(run), "--only", "claim", "--out", str(tmp_path / "a" / "b")]) == 0
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["claim.md", "papers.json"]


def test_writing_again_changes_no_byte_and_keeps_the_others(run: Path) -> None:
    first = _writing.write(run)
    before = {one.path: one.path.read_bytes() for one in first}
    _writing.write(run, only=["claim"])
    _writing.write(run)
    assert {path: path.read_bytes() for path in before} == before
    index = json.loads((run / "papers" / "papers.json").read_text(encoding="utf-8"))
    assert set(index["files"]) == {path.name for path in before}


def test_a_paper_that_a_person_has_changed_is_never_written_over(run: Path) -> None:
    _writing.write(run)
    mine = run / "papers" / "training_data.md"
    mine.write_text(mine.read_text(encoding="utf-8") + "\nProvider: us.\n", encoding="utf-8")
    other = (run / "papers" / "claim.md").stat().st_mtime_ns
    with pytest.raises(CannotCreate, match=r"training_data\.md: was changed since it was written"):
        _writing.write(run)
    assert mine.read_text(encoding="utf-8").endswith("Provider: us.\n")
    assert (run / "papers" / "claim.md").stat().st_mtime_ns == other, (
        "nothing is written where one is refused"
    )
    _writing.write(run, only=["claim"])


def test_a_file_of_somebody_elses_is_not_written_over(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "claim.md").write_text("mine", encoding="utf-8")
    with pytest.raises(CannotCreate, match="is not of `lingshu papers`"):
        _writing.write(run, only=["claim"], out=out)
    assert (out / "claim.md").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--only", "clame"], 64, "--only: unknown paper 'clame'; papers/ has: claim, model_facts, sbom"),
        (["--format", "pdf"], 64, "--format pdf: unknown; there are: md, html, json"),
        (["--out", "{file}"], 73, "is a file; name a folder with --out"),
    ],
)
def test_a_slip_of_the_pen_is_one_line_and_nothing_is_written(
    words: list[str], code: int, said: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("mine", encoding="utf-8")
    assert cli.main(["papers", str(run), *(word.format(file=file) for word in words)]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (run / "papers").exists() and file.read_text(encoding="utf-8") == "mine"


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["papers", str(tmp_path)]) == 66
    assert "not a run folder" in capsys.readouterr().err


def test_an_export_in_its_run_stands_for_the_run(run: Path, tmp_path: Path) -> None:
    (export,) = run.glob("export-*/export")
    (by_run,) = _writing.write(run, only=["claim"], out=tmp_path / "a")
    (by_export,) = _writing.write(export, only=["claim"], out=tmp_path / "b")
    assert by_run.path.read_bytes() == by_export.path.read_bytes()


def test_an_export_without_its_run_is_told_where_papers_come_from(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (export,) = run.glob("export-*/export")
    alone = export.rename(tmp_path / "downloaded")
    assert cli.main(["papers", str(alone)]) == 66
    (line,) = capsys.readouterr().err.splitlines()
    assert "a model without its run and without provenance.json" in line


def test_an_export_that_was_brought_here_tells_what_its_provenance_does(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (export,) = run.glob("export-*/export")
    made = [
        manifest.read(next(run.glob(f"{name}-*"))) for name in ("data", "base", "instruct", "rl", "evaluate")
    ]
    provenance.write(export, provenance.of(made, model="rl"))
    alone = export.rename(tmp_path / "downloaded")
    before = sorted(alone.iterdir())
    assert cli.main(["papers", str(alone)]) == 64
    assert "whose signature covers what lies in its folder" in capsys.readouterr().err
    written = {one.name: one for one in _writing.write(alone, out=tmp_path / "out")}
    assert sorted(alone.iterdir()) == before, "a signed folder stays as it is"
    text = written["training_data"].path.read_text(encoding="utf-8")
    assert "Of an exported model without its run" in text and "tiny: rl, content rl0000000000" in text
    assert "https://huggingface.co/datasets/someone/open-set" in text
    for untold in (
        "Started from random weights",
        "No stage of the run had a model write data",
        "no training stage",
    ):
        assert untold not in text
    label = written["model_facts"].path.read_text(encoding="utf-8")
    assert "Not measured in the run." not in label and "was evaluated" not in label
    bill = json.loads(written["sbom"].path.read_text(encoding="utf-8"))
    files = {one["name"]: one["hashes"][0]["content"] for one in bill["metadata"]["component"]["components"]}
    assert files == {path.name: naming.file_digest(path) for path in before}
    assert any("the run is not here" in gap for gap in written["sbom"].gaps)
    for one in written.values():
        assert paper_run.SECRET not in one.path.read_text(encoding="utf-8")


def test_a_paper_of_ones_own_renames_no_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "board.py").write_text("", encoding="utf-8")
    monkeypatch.setenv("LINGSHU_PLUGINS", str(tmp_path))
    assert naming.plugin_digests() == {}


def test_an_index_that_cannot_be_read_stops_before_a_file_is_touched(run: Path) -> None:
    _writing.write(run)
    index = run / "papers" / "papers.json"
    index.write_text("{", encoding="utf-8")
    before = (run / "papers" / "claim.md").stat().st_mtime_ns
    assert cli.main(["papers", str(run)]) == 65
    assert (run / "papers" / "claim.md").stat().st_mtime_ns == before


def test_a_lab_adds_its_own_paper_as_two_files(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "plugins" / "papers"
    (folder / "templates").mkdir(parents=True)
    (folder / "board.py").write_text(
        "from lingshu_train.papers._form import told\n\n\ndef answers(known):\n"
        "    return {'sets': told(', '.join(one.name for one in known.training))}\n",
        encoding="utf-8",
    )
    (folder / "templates" / "board.md").write_text(
        "# For our ethics board\n\nOur own form.\n\n## Data\n\n| Key | No. | Item | To be written by a person |\n|---|---|---|---|\n"
        "| sets | 1 | Data sets | which sets |\n| vote | 2 | Vote of the board | the vote |\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("LINGSHU_PLUGINS", str(tmp_path / "plugins"))
    monkeypatch.setattr(papers, "__path__", list(papers.__path__))
    assert "board" in naming.components(papers.__name__)
    (written,) = _writing.write(run, only=["board"])
    text = written.path.read_text(encoding="utf-8")
    assert "**1 Data sets** (told)\n\nopen_set\n" in text
    assert written.gaps == ("the vote",)
    assert written.path.name == "board.md"
