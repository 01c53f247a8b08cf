"""From a stranger's table through training, reward and evaluation on the user's own held-out questions, as one types it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import strangers

from lingshu_train import cli
from lingshu_train.runs import ledger, results, run

SHORT = (
    "stages.instruct.steps=2",
    "stages.instruct.save_every=2",
    "stages.rl.steps=2",
    "stages.rl.save_every=2",
)


@pytest.mark.slow
def test_own_questions_are_trained_on_rewarded_and_evaluated(
    tmp_path: Path, add: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    found = strangers.rows(60)
    strangers.pictures(tmp_path / "in", found)
    path = strangers.write_csv(tmp_path / "in" / "pairs.csv", found, delimiter=";", encoding="latin-1")
    assert add(path, "--recipe", "tiny", "--yes").code == 0
    assert cli.main(["run", "pairs.yaml", "+with=rl_tiny", *SHORT]) == 0
    table = capsys.readouterr().out
    made = run.read(Path("runs/pairs"))
    folders = {entry.name: made.folder(entry) for entry in made.stages}
    assert len(ledger.steps(folders["instruct"])) == 2
    assert len(ledger.steps(folders["rl"])) == 2
    measured = results.read(folders["evaluate"])
    assert list(measured.models) == ["base", "instruct", "rl"]
    asked = results.predictions(folders["evaluate"], "rl")
    assert {line.card for line in asked} == {"pairs"}
    assert {line.question for line in asked} <= set(strangers.QUESTIONS)
    assert measured.models["rl"]["all"].n == len(asked) == 12, "the held-out fifth, whole patients"
    assert {line.task for line in asked} == {"closed_vqa", "open_vqa"}
    assert "closed_vqa" in table
    assert "open_vqa" in table, "the table that ends the run is about the user's questions"
    assert strangers.QUESTIONS[0] in Path("runs/pairs/report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_free_text_alone_is_trained_through_an_adapter_and_exported(
    tmp_path: Path, add: Callable[..., Any]
) -> None:
    found = [
        {**row, "answer": f"The heart is enlarged. Case {n} is clear."}
        for n, row in enumerate(strangers.rows())
    ]
    strangers.pictures(tmp_path / "in", found)
    path = strangers.write_csv(tmp_path / "in" / "pairs.csv", found)
    assert add(path, "--recipe", "tiny", "--yes").code == 0
    assert cli.main(["run", "pairs.yaml", "+with=lora_tiny", *SHORT[:2]]) == 0
    made = run.read(Path("runs/pairs"))
    folders = {entry.name: made.folder(entry) for entry in made.stages}
    assert (folders["instruct"] / "adapter" / "adapter_config.json").is_file()
    card = (folders["export"] / "export" / "README.md").read_text(encoding="utf-8")
    assert "| train.language_model.lora.rank | 8 |" in card
