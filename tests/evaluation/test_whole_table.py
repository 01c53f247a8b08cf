"""The paper's whole table by one command, and the further benchmarks of MedEvalKit, on what their publishers serve."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_model
from published import library

from lingshu_train import cli
from lingshu_train.evaluation.benchmarks import suite
from lingshu_train.evaluation.benchmarks.suite import Benchmark

FURTHER = ("mmlu_all", "medframeqa", "radrestruct", "cmb", "cmexam", "cmmlu_med", "medqa_mcmle")


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_every_benchmark_of_the_paper_and_of_medevalkit_is_a_line_of_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = suite.chosen(["paper", *FURTHER])
    assert len(wanted) == 24
    data = library.stocked(dict.fromkeys(card for one in wanted for card in one.cards), tmp_path, monkeypatch)
    tiny_model.build(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    names = ",".join(("paper", *FURTHER))
    command = [
        "eval",
        "model",
        "--benchmarks",
        names,
        "--data-root",
        str(data),
        "--max-tokens",
        "4",
        "--part",
    ]
    command += ["--most-refused", "0.6", "--prompts", "medevalkit/direct"]
    capsys.readouterr()
    assert cli.main(command) == 0
    told = capsys.readouterr().out
    (folder,) = (tmp_path / "evaluations").glob("model-*")
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    for one in wanted:
        check(one, told, results)
    assert "mean of 7, medical VQA" in told and "mean of 7, text" in told
    assert set(results["groups"]) == {"medical_vqa", "text"}
    assert told.count("not measured: ") == 3, "a line for each set of reports"
    answers = {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}
    assert cli.main([*command, "--rescore"]) == 0
    assert {path.name: path.read_bytes() for path in folder.glob("*.jsonl")} == answers
    assert json.loads((folder / "results.json").read_text(encoding="utf-8")) == results


def check(one: Benchmark, told: str, results: dict[str, dict[str, dict[str, float]]]) -> None:
    """A benchmark has its line and its figures; all of its questions were asked, and judged or counted as free text."""
    assert any(line.startswith(one.title) for line in told.splitlines()), one.name
    counted = results["n-samples"][one.name]
    assert counted["original"] > 0, one.name
    report = one.name in suite.groups()["reports"]
    assert (counted["effective"] == 0) is report, one.name
    figures = results["results"][one.name]
    assert ("cider_corpus_idf,none" if report else "acc,lenient") in figures, one.name
