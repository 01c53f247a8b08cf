"""Rows of a run go to the hub as a data set that `datasets` reads, where their licences let them, and nowhere else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as parquet
import pytest
import tiny
import yaml
from hub_server import Hub
from huggingface_hub import snapshot_download
from PIL import Image

from lingshu_train import cli
from lingshu_train.data.corpus import corpus
from lingshu_train.errors import DataError, NotPermitted, UsageError
from lingshu_train.forgetting import leftovers
from lingshu_train.forgetting.certificate import Request
from lingshu_train.hub import push_data
from lingshu_train.record import Sample
from lingshu_train.runs import run
from lingshu_train.runs import stage as stages
from lingshu_train.runs.withdrawn import NAME, Gone, Withdrawn
from lingshu_train.tracing.trace import trace

REPO = "ada/lingshu-rows"
CARD = """---
pretty_name: Scans of a clinic
license: cc-by-4.0
language: [en]
task_categories: [visual-question-answering]
lingshu:
  source: {{kind: hub, name: ada/scans}}
  access: {access}
  licence: {{id: CC-BY-4.0, redistribute: {redistribute}, derive_weights: true, third_party_api: true, commercial: true}}
  modality: [ct]
  task: [vqa]
  format: table
  fields: {{files: {{train: train.jsonl}}}}
  splits: {{train: {{rows: 5}}}}
---

# Scans
"""


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 56, 3), dtype=np.uint8))


def rows(**changes: Any) -> list[tuple[Sample, tuple[Image.Image, ...]]]:
    made = []
    for n in range(5):
        about = {
            "card": "scans",
            "split": "train" if n < 4 else "test",
            "task": "vqa",
            "question": f"What is shown in case {n}?",
            "question_type": "mcq",
            "answer": "A",
            "options": {"A": "a kidney", "B": "a spleen"},
            "group": f"patient {n}",
            "modality": "ct",
            "parents": (f"older {n}",),
            **changes,
        }
        shown = tuple(picture(10 * n + place) for place in range(n % 3))
        made.append((Sample(id=f"row {n}", **about), shown))
    return made


def made_run(folder: Path, found: list[tuple[Sample, tuple[Image.Image, ...]]], **card: str) -> Path:
    """A run with one finished stage `data` of these rows, and the card that they belong to."""
    (folder / "cards").mkdir(parents=True)
    text = CARD.format(**{"access": "open", "redistribute": "true", **card})
    (folder / "cards" / "scans.md").write_text(text)
    os.environ["LINGSHU_CARDS"] = str(folder / "cards")
    tiny.write_corpus(folder / "run" / "data" / "corpus", found)
    config = {"kind": "prepare", "cards": ["scans"], "image_size": 56, "questions": {}}
    stage = tiny.make_stage(folder / "run", "data", config, parents={})
    stage.write()
    tiny.finish(stage, outputs=["corpus"])
    run.write(folder / "run", recipe="test", stages=[stage], plan="x")
    return folder / "run"


def test_what_arrives_is_read_by_datasets_with_pictures_as_pictures(hub: Hub, tmp_path: Path) -> None:
    sent = rows(system="You read scans.", tags={"subject": "abdomen"})
    plan = push_data.plan_push(made_run(tmp_path, sent), "data", REPO)
    assert not plan.private
    pushed = push_data.push(plan)
    assert pushed.url.endswith(f"/datasets/{REPO}")
    copy = snapshot_download(REPO, repo_type="dataset", endpoint=hub.endpoint, local_dir=tmp_path / "copy")
    read = datasets.load_dataset(copy, cache_dir=str(tmp_path / "cache"))
    assert {split: len(found) for split, found in read.items()} == {"train": 4, "test": 1}
    every = [*read["train"], *read["test"]]
    for (sample, shown), row in zip(sent, every, strict=True):
        assert (row["id"], row["question"], row["answer"]) == (sample.id, sample.question, sample.answer)
        assert {one["letter"]: one["text"] for one in row["options"]} == sample.options
        assert row["parents"] == list(sample.parents)
        assert row["system"] == sample.system
        assert {one["kind"]: one["word"] for one in row["tags"]} == sample.tags
        assert [np.asarray(one.convert("RGB")).tolist() for one in row["images"]] == [
            np.asarray(one).tolist() for one in shown
        ]


def test_the_card_tells_the_viewer_its_files_and_a_reader_its_terms(tmp_path: Path) -> None:
    plan = push_data.plan_push(made_run(tmp_path, rows()), "data", REPO)
    place = {file.name: file.path for file in plan.files}
    head, _, body = place["README.md"].read_text().removeprefix("---\n").partition("\n---\n")
    front = yaml.safe_load(head)
    assert front["configs"][0]["data_files"] == [
        {"split": "test", "path": "data/test-*.parquet"},
        {"split": "train", "path": "data/train-*.parquet"},
    ]
    assert "| scans | Scans of a clinic | CC-BY-4.0 | 5 |" in body
    told = json.loads(place["croissant.json"].read_text())
    parts = {part.get("contentUrl"): part for part in told["distribution"]}
    mine = parts["data/train-00000.parquet"]
    assert mine["sha256"] == next(
        file.sha256 for file in plan.files if file.name == "data/train-00000.parquet"
    )
    assert [field["source"]["extract"]["column"] for field in told["recordSet"][0]["field"]][:3] == [
        "id",
        "question",
        "answer",
    ]


def test_the_same_rows_give_the_same_files(tmp_path: Path) -> None:
    folder = made_run(tmp_path, rows())
    first, second = (push_data.plan_push(folder, "data", REPO) for _ in range(2))
    assert [file.sha256 for file in first.files] == [file.sha256 for file in second.files]


def withdraw(folder: Path, numbers: str, *, fingerprint: str = "") -> None:
    whole = corpus.read_summary(folder / "data" / "corpus").fingerprint
    gone = Withdrawn(corpora={"data": Gone(fingerprint=fingerprint or whole, rows=numbers)})
    (folder / NAME).write_text(gone.model_dump_json())


def test_rows_that_the_run_goes_without_stay_here_though_their_content_is_not_erased(
    hub: Hub, tmp_path: Path
) -> None:
    folder = made_run(tmp_path, rows())
    withdraw(folder, "1,3")
    plan = push_data.plan_push(folder, "data", REPO)
    assert plan.rows == {"train": 2, "test": 1}
    readme = next(file.path for file in plan.files if file.name == "README.md")
    assert "| scans | Scans of a clinic | CC-BY-4.0 | 3 |" in readme.read_text()
    push_data.push(plan)
    copy = snapshot_download(REPO, repo_type="dataset", endpoint=hub.endpoint, local_dir=tmp_path / "copy")
    every = [
        row for path in Path(copy, "data").glob("*.parquet") for row in parquet.read_table(path).to_pylist()
    ]
    assert sorted(row["id"] for row in every) == ["row 0", "row 2", "row 4"]


def test_so_do_rows_that_a_stage_was_told_to_pass_over(tmp_path: Path) -> None:
    folder = made_run(tmp_path, rows())
    whole = corpus.read_summary(folder / "data" / "corpus").fingerprint
    learner = tiny.make_stage(folder, "sft", tiny.sft(), parents={"data": folder / "data"})
    gone = Gone(fingerprint=whole, rows="0")
    learner.model_copy(update={"withdrawn": {"data": gone}}).write()
    known = stages.read(folder / "data" / "stage.json")
    run.write(folder, recipe="test", stages=[known, learner], plan="x")
    assert push_data.plan_push(folder, "data", REPO).rows == {"train": 3, "test": 1}


def test_numbers_of_another_corpus_send_nothing(tmp_path: Path) -> None:
    folder = made_run(tmp_path, rows())
    withdraw(folder, "1", fingerprint="0" * 64)
    with pytest.raises(DataError, match="its withdrawn rows are of the corpus 000000000000"):
        push_data.plan_push(folder, "data", REPO)


def test_a_push_is_remembered_where_trace_and_forget_look_and_its_files_are_gone(
    hub: Hub, tmp_path: Path
) -> None:
    folder = made_run(tmp_path, rows())
    plan = push_data.plan_push(folder, "data", REPO)
    stage = stages.read(folder / "data" / "stage.json")
    request = Request.model_construct(run=str(folder), rows={}, first={"data": 0}, carried=(), pushes=())
    assert f"{folder / push_data.PLACE}: may show them" in list(
        leftovers.find([stage], request, erased=set())
    )
    sent = push_data.push(plan)
    assert not list((folder / push_data.PLACE).iterdir())
    told = trace(folder, "patient", "patient 1").carried.pushes
    assert [(one.repo, one.url, one.commit) for one in told] == [(REPO, sent.url, sent.commit)]


@pytest.mark.parametrize(
    ("card", "why"),
    [
        ({"redistribute": "false"}, "forbids passing its rows on"),
        ({"access": "local"}, "is local, so its rows go nowhere"),
        ({"access": "credentialed", "redistribute": "false"}, "is credentialed"),
        ({"access": "gated"}, "is gated"),
    ],
)
def test_rows_that_may_not_be_passed_on_go_nowhere(
    hub: Hub, card: dict[str, str], why: str, tmp_path: Path
) -> None:
    with pytest.raises(NotPermitted, match=why):
        push_data.plan_push(made_run(tmp_path, rows(), **card), "data", REPO, private=True)
    assert hub.requests == []
    assert not (tmp_path / "run" / push_data.PLACE).exists(), "nothing is made that might be sent by hand"


def test_what_is_not_known_to_be_allowed_is_private(hub: Hub, tmp_path: Path) -> None:
    plan = push_data.plan_push(made_run(tmp_path, rows(), redistribute="null"), "data", REPO)
    assert plan.private
    assert "that CC-BY-4.0 allows passing rows on is not known" in plan.text
    push_data.push(plan)
    assert hub.repos[f"datasets/{REPO}"].private


def test_a_secret_in_a_row_goes_nowhere(tmp_path: Path) -> None:
    folder = made_run(tmp_path, rows(reasoning="the key is hf_" + "a1B2" * 8))
    with pytest.raises(
        NotPermitted, match=r"sample row \d, reasoning: holds what looks like a Hugging Face token"
    ):
        push_data.plan_push(folder, "data", REPO)


def test_the_command_sends_nothing_until_it_is_told_to(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(made_run(tmp_path, rows()))
    assert cli.main(["push", folder, "data", REPO]) == 0
    told = capsys.readouterr().out
    assert f"{REPO}: public data set" in told
    assert "dry run: nothing was sent" in told
    assert hub.requests == []
    assert cli.main(["push", folder, "data", REPO, "--yes"]) == 0
    assert "4 files read back and equal" in capsys.readouterr().out
    assert cli.main(["push", folder, "data", REPO, "--sign-key", "key.pem"]) == 64


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not the name of a repository"):
        push_data.plan_push(made_run(tmp_path, rows()), "data", "rows")


def test_mlcommons_own_reader_takes_the_croissant(tmp_path: Path) -> None:
    """An extra that no lock file has: `pip install mlcroissant` beside the project runs it."""
    mlcroissant = pytest.importorskip("mlcroissant")
    plan = push_data.plan_push(made_run(tmp_path, rows()), "data", REPO)
    path = next(file.path for file in plan.files if file.name == "croissant.json")
    assert not mlcroissant.Dataset(jsonld=str(path)).metadata.ctx.issues.errors
