"""The whole table of the paper by one command, on files as the publishers share them: 7 and 7 benchmarks, 3 of reports."""

from __future__ import annotations

import json
from pathlib import Path

import paper_files
import pytest
import tiny_model
from huggingface_hub import ModelCard

from lingshu_train import cli
from lingshu_train.evaluation.benchmarks import suite


@pytest.mark.slow
def test_one_command_measures_every_benchmark_of_the_paper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    paper_files.build(tmp_path / "data")
    tiny_model.build(tmp_path / "model")
    command = [
        "eval",
        "model",
        "--benchmarks",
        "paper",
        "--max-tokens",
        "2",
        "--part",
        "--prompts",
        "medevalkit/direct",
    ]
    assert cli.main(command) == 0
    told = capsys.readouterr().out
    for one in suite.chosen(["paper"]):
        assert one.title in told
    assert "mean of 7, medical VQA" in told and "mean of 7, text" in told
    (results,) = (tmp_path / "evaluations").glob("model-*/results.json")
    found = json.loads(results.read_text())
    sizes = {name: one["original"] for name, one in found["n-samples"].items()}
    expected = dict.fromkeys((one.name for one in suite.chosen(["paper"])), 2)
    assert sizes == expected | {"mmmu_med": 10, "mmlu_med": 9, "medbullets": 4}
    assert {line["name"] for line in found["lines"] if line["reports"]} == set(suite.groups()["reports"])
    page = (tmp_path / "evaluations" / "evaluation.html").read_text()
    assert page.count('class="chunk"') == 17
    assert "Lingshu-7B, published" in page
    head = results.with_name("model-index.yaml").read_text()
    card = ModelCard(f"---\n{head}---\n")
    told_there = {(one.dataset_name, one.metric_name) for one in card.data.eval_results}
    assert ("VQA-RAD", "accuracy (lenient)") in told_there
    assert ("IU-Xray", "ROUGE-L (rouge 1.0.1)") in told_there
