"""The real huggingface_hub pushes to a hub on loopback, and what arrives is read back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import made_up_run
import pytest
from hub_server import READER, TOKEN, Fault, Hub
from huggingface_hub import constants
from urllib3.util import Retry

from lingshu_train.data.cards import card as cards
from lingshu_train.errors import (
    CannotCreate,
    DataError,
    MissingInput,
    NotPermitted,
    OutputFailed,
    RunAgain,
    UsageError,
)
from lingshu_train.hub import describing, model_card
from lingshu_train.hub.patience import Patience
from lingshu_train.hub.push import plan_push, push
from lingshu_train.runs import manifest, results, run
from lingshu_train.runs.lines import Line

REPO = "ada/lingshu-tiny"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made_up_run.card(tmp_path / "cards", "scans")
    return made_up_run.build(tmp_path / "run", questions=12)


def planned(folder: Path, **options: bool):
    return plan_push(folder, "export", REPO, cards=folder.parent / "cards", **options)


def export(folder: Path) -> Path:
    found = run.read(folder)
    return found.folder(found.stage("export")) / "export"


def plant(folder: Path, name: str, content: bytes) -> None:
    """A file that the export stage itself wrote: its manifest vouches for it."""
    (export(folder) / name).write_bytes(content)
    stage = manifest.read(export(folder).parent)
    (export(folder).parent / "manifest.json").unlink()
    manifest.write(stage.stage, ran_on=stage.environment, results={}, outputs=["export"], seconds=1.0)


def test_a_pushed_model_reads_back_byte_for_byte(hub: Hub, folder: Path, tmp_path: Path) -> None:
    pushed = push(planned(folder))

    copy = Path(huggingface_hub.snapshot_download(REPO, endpoint=hub.endpoint, local_dir=tmp_path / "copy"))
    there = {
        path.relative_to(copy).as_posix(): path.read_bytes() for path in copy.rglob("*") if path.is_file()
    }
    there = {name: data for name, data in there.items() if not name.startswith((".cache/", ".gitattributes"))}
    here = {path.name: path.read_bytes() for path in export(folder).iterdir()}
    assert there == here
    assert pushed.commit == hub.repos[REPO].branches["main"]
    assert hub.repos[REPO].commits[pushed.commit]["model.safetensors"].lfs


def measured_on_a_benchmark(folder: Path) -> None:
    """As if the evaluation of this run had had questions of a benchmark, told of on the card beside the weights."""
    found = run.read(folder)
    place = found.folder(found.stage("evaluate"))
    line = Line(
        name="vqa_rad",
        title="VQA-RAD",
        n=451,
        asked="ours",
        cards={"vqa_rad_test": "test"},
        lenient=0.5,
        strict=0.25,
    )
    own = Line(name="scans", title="Scans", n=12, asked="ours", cards={"scans": "test"}, own=True)
    told = results.read(place)
    results.write(place, told.model_copy(update={"lines": {"grpo": (line, own)}}))
    made = manifest.read(place)
    (place / "manifest.json").unlink()
    outputs = ["results.json", "predictions"]
    manifest.write(made.stage, ran_on=made.environment, results={}, outputs=outputs, seconds=1.0)
    lineage = describing.ancestors(manifest.read(export(folder).parent).stage, ["grpo", "evaluate"])
    used = [cards.load("scans", folder=folder.parent / "cards")]
    plant(folder, "README.md", model_card.render(lineage, used, model="grpo").encode())


def test_the_card_of_a_pushed_model_has_its_results_as_the_hub_reads_them(
    hub: Hub, folder: Path, tmp_path: Path
) -> None:
    measured_on_a_benchmark(folder)
    push(planned(folder))
    path = huggingface_hub.hf_hub_download(
        REPO, "README.md", endpoint=hub.endpoint, local_dir=tmp_path / "copy"
    )
    read = huggingface_hub.ModelCard.load(path).data.eval_results
    assert read is not None
    assert [(one.dataset_name, one.metric_name, one.metric_value) for one in read] == [
        ("VQA-RAD", "accuracy (lenient)", 50.0),
        ("VQA-RAD", "accuracy (strict)", 25.0),
        ("VQA-RAD", "accuracy (medevalkit)", 0.0),
    ]
    assert {one.dataset_split for one in read} == {"test"}


def test_the_command_finds_the_hub_by_its_own_environment_variables(hub: Hub, folder: Path) -> None:
    cards = folder.parent / "cards"
    code = (
        "from pathlib import Path; from lingshu_train.hub.push import plan_push, push\n"
        f"print(push(plan_push(Path({str(folder)!r}), 'export', {REPO!r}, cards=Path({str(cards)!r}))))"
    )
    told = {
        "HF_ENDPOINT": hub.endpoint,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(folder.parent),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **told}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert f"{hub.endpoint}/{REPO}: 8 files read back and equal" in done.stdout
    assert TOKEN not in done.stdout + done.stderr


def test_planning_a_push_asks_the_hub_nothing_and_lists_every_file(
    hub: Hub, folder: Path, monkeypatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    text = planned(folder).text
    assert all(path.name in text for path in export(folder).iterdir())
    assert f"{REPO}: public model repository" in text
    assert hub.requests == []


def test_pushing_again_sends_no_large_file_twice_and_makes_no_commit(hub: Hub, folder: Path) -> None:
    first = push(planned(folder))
    uploads = [line for line in hub.requests if line.startswith("PUT")]
    second = push(planned(folder))
    assert second.commit == first.commit
    assert [line for line in hub.requests if line.startswith("PUT")] == uploads
    assert len(hub.repos[REPO].commits) == 2


def test_without_a_token_nothing_is_asked_of_the_hub(hub: Hub, folder: Path, monkeypatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(NotPermitted, match="no Hugging Face token"):
        push(planned(folder))
    assert hub.requests == []


@pytest.mark.parametrize(
    ("token", "said"),
    [("hf_" + "unknown" * 5, "not valid"), (READER, "may not write"), (TOKEN, "may not write")],
)
def test_a_token_without_the_right_is_named_and_never_shown(
    hub: Hub, folder: Path, monkeypatch, token, said
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    plan = plan_push(
        folder, "export", "grace/model" if token == TOKEN else REPO, cards=folder.parent / "cards"
    )
    with pytest.raises(NotPermitted, match=said) as refused:
        push(plan)
    assert refused.value.exit_code == 77
    assert token not in str(refused.value)
    assert hub.repos == {}


@pytest.mark.parametrize("where", ["POST /api/models/.*/commit", "POST /api/repos/create", "GET /api/whoami"])
def test_three_server_errors_in_a_row_are_waited_out(hub: Hub, folder: Path, where: str) -> None:
    hub.faults.append(Fault(pattern=where, status=500, times=3))
    heard: list[str] = []
    pushed = push(planned(folder), patience=Patience(retry=Retry(total=3), say=heard.append))
    assert len(heard) == 3
    assert "500" in heard[0]
    assert hub.repos[REPO].branches["main"] == pushed.commit


def test_a_connection_that_drops_during_the_upload_is_taken_up_again(hub: Hub, folder: Path) -> None:
    hub.faults.append(Fault(pattern="POST /api/models/.*/commit", status=0, times=1))
    assert push(planned(folder), patience=Patience(retry=Retry(total=1))).files == 8


def test_a_hub_that_stays_down_says_run_again(hub: Hub, folder: Path) -> None:
    hub.faults.append(Fault(pattern="POST /api/repos/create", status=503, times=99))
    with pytest.raises(RunAgain, match="503") as refused:
        push(planned(folder), patience=Patience(retry=Retry(total=2)))
    assert refused.value.exit_code == 75


def test_an_unreachable_hub_says_run_again(hub: Hub, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RunAgain, match="ConnectError"):
        push(planned(folder), patience=Patience(retry=Retry(total=0)))


def test_bytes_that_change_on_the_way_are_found_by_reading_back(hub: Hub, folder: Path) -> None:
    hub.tamper = lambda path, data: data[:-1] + b"X" if path == "model.safetensors" else data
    with pytest.raises(OutputFailed, match=r"model\.safetensors arrived with other bytes"):
        push(planned(folder))


def test_a_branch_that_holds_another_model_is_left_alone(hub: Hub, folder: Path) -> None:
    repo = hub.create(REPO)
    before = repo.commit(
        "main", {**repo.commits[repo.branches["main"]], "pytorch_model.bin": hub_blob(b"old")}
    )
    with pytest.raises(CannotCreate, match=r"pytorch_model\.bin"):
        push(planned(folder))
    assert repo.branches["main"] == before


def test_a_push_can_go_to_a_branch_of_its_own(hub: Hub, folder: Path) -> None:
    hub.create(REPO)
    before = hub.repos[REPO].branches["main"]
    pushed = push(planned(folder), revision="grpo")
    assert hub.repos[REPO].branches == {"main": before, "grpo": pushed.commit}


def test_a_secret_in_config_json_stops_the_push_and_is_not_repeated(hub: Hub, folder: Path) -> None:
    secret = "hf_" + "q" * 34
    plant(folder, "config.json", json.dumps({"hub_token": secret}).encode())
    with pytest.raises(
        NotPermitted, match=r"config\.json:1: holds what looks like a Hugging Face token"
    ) as refused:
        planned(folder)
    assert secret not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("README.md", b"---\n---\nkey: ghp_" + b"a1B2" * 9, "GitHub"),
        ("tokenizer.json", b'{"a": "AKIA' + b"ABCD" * 4 + b'"}', "AWS"),
        ("notes.txt", b"WANDB_API_KEY=" + b"0a" * 20, "Weights & Biases"),
        ("chat_template.jinja", b"-----BEGIN RSA PRIVATE KEY-----", "private key"),
    ],
)
def test_each_kind_of_secret_is_found_in_each_kind_of_text(
    folder: Path, name: str, content: bytes, kind: str
) -> None:
    plant(folder, name, content)
    with pytest.raises(NotPermitted, match=kind):
        planned(folder)


def test_a_secret_in_safetensors_metadata_is_found(folder: Path) -> None:
    header = json.dumps({"__metadata__": {"author": "hf_" + "z" * 34}}).encode()
    plant(folder, "extra.safetensors", len(header).to_bytes(8, "little") + header)
    with pytest.raises(NotPermitted, match=r"extra\.safetensors:1: .* Hugging Face"):
        planned(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("training_args.bin", b"anything"),
        ("model.json", b"\x80\x04\x95pickled"),
        ("weights.txt", b"PK\x03\x04zip"),
    ],
)
def test_a_pickle_stops_the_push_whatever_it_is_called(folder: Path, name: str, content: bytes) -> None:
    plant(folder, name, content)
    with pytest.raises(NotPermitted, match="pickle"):
        planned(folder)


def test_files_that_no_model_needs_stay_at_home(hub: Hub, folder: Path) -> None:
    plant(folder, "completions.parquet", b"PAR1 prompts of patients")
    plan = planned(folder)
    assert plan.left_out == ("completions.parquet",)
    assert "stays here: completions.parquet" in plan.text
    pushed = push(plan)
    assert "completions.parquet" not in hub.repos[REPO].commits[pushed.commit]


def test_a_file_that_the_run_did_not_write_is_not_published(folder: Path) -> None:
    (export(folder) / "patients.txt").write_text("names", encoding="utf-8")
    with pytest.raises(NotPermitted, match=r"patients\.txt: not written by this run"):
        planned(folder)


def test_weights_that_changed_since_the_export_are_not_published(folder: Path) -> None:
    path = export(folder) / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(OutputFailed, match=r"model\.safetensors: missing or changed since it was exported"):
        planned(folder)


def test_a_shard_that_is_missing_stops_the_push(folder: Path) -> None:
    plant(folder, "model-00002.safetensors", (export(folder) / "model.safetensors").read_bytes())
    (export(folder) / "model-00002.safetensors").unlink()
    with pytest.raises(OutputFailed, match=r"model-00002\.safetensors: missing"):
        planned(folder)


def test_a_link_out_of_the_folder_stops_the_push(folder: Path) -> None:
    (export(folder) / "notes.txt").symlink_to("/etc/hostname")
    with pytest.raises(NotPermitted, match=r"notes\.txt: is a link"):
        planned(folder)


def test_a_refused_upload_does_not_show_its_signed_address(hub: Hub, folder: Path) -> None:
    hub.faults.append(Fault(pattern="PUT /lfs/", status=403, times=9))
    with pytest.raises(NotPermitted, match="cannot upload") as refused:
        push(planned(folder))
    assert "signature" not in str(refused.value)


def test_a_plan_needs_neither_torch_nor_transformers(folder: Path) -> None:
    cards = folder.parent / "cards"
    code = (
        "import sys; from pathlib import Path; from lingshu_train.hub.push import plan_push\n"
        f"plan_push(Path({str(folder)!r}), 'export', {REPO!r}, cards=Path({str(cards)!r}))\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("damage", ["short", "long", "no header"])
def test_a_damaged_safetensors_file_is_not_published(folder: Path, damage: str) -> None:
    whole = (export(folder) / "model.safetensors").read_bytes()
    damaged = {"short": whole[:-4], "long": whole + b"\0", "no header": b"\xff" * 8 + whole[8:]}
    plant(folder, "model.safetensors", damaged[damage])
    with pytest.raises(DataError, match=r"model\.safetensors: damaged or truncated"):
        planned(folder)


def test_a_card_that_forbids_derived_weights_forbids_the_push(folder: Path) -> None:
    made_up_run.card(folder.parent / "cards", "scans", derive="false", licence="CC-BY-ND-4.0")
    with pytest.raises(NotPermitted, match=r"scans: its licence \(CC-BY-ND-4\.0\) forbids") as refused:
        planned(folder)
    assert refused.value.exit_code == 77


def test_a_run_whose_card_is_gone_is_not_published(folder: Path) -> None:
    (folder.parent / "cards" / "scans.md").unlink()
    with pytest.raises(NotPermitted, match="no data card 'scans' here"):
        planned(folder)


@pytest.mark.parametrize("terms", [{"access": "credentialed"}, {"derive": "null"}])
def test_credentialed_or_unclear_data_makes_the_repository_private(hub: Hub, folder: Path, terms) -> None:
    made_up_run.card(folder.parent / "cards", "scans", **terms)
    plan = planned(folder)
    assert plan.private
    assert "private because of scans" in plan.text
    push(plan)
    assert hub.repos[REPO].private


def test_a_model_that_must_be_private_never_reaches_a_public_repository(hub: Hub, folder: Path) -> None:
    repo = hub.create(REPO, private=False)
    with pytest.raises(NotPermitted, match="is public"):
        push(planned(folder, private=True))
    assert len(repo.commits) == 1


def test_an_unfinished_export_cannot_be_pushed(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", until="evaluate", questions=12)
    with pytest.raises(MissingInput, match="has not finished"):
        planned(folder)


def test_a_name_without_an_owner_is_a_usage_error(folder: Path) -> None:
    with pytest.raises(UsageError, match="owner/name"):
        plan_push(folder, "export", "model", cards=folder.parent / "cards")


def hub_blob(data: bytes):
    from hub_server import Blob

    return Blob(data, lfs=False)
