"""The quickstart recipe, shortened, from the command line to the exported model: what a newcomer does."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import small_run
from tracking import tensorboard

pytestmark = pytest.mark.slow

SHORT = [
    "stages.data.questions={caption: {train: 64, held_out: 4}, lesion_count: {train: 64, held_out: 24}}",
    *(f"~stages.data.questions.{task}" for task in small_run.OTHERS),
    "stages.instruct.watch.tasks=[lesion_count]",
    *(
        f"stages.{name}.data=[{{corpus: data, tasks: [{task}]}}]"
        for name, task in (("instruct", "lesion_count"), ("rl", "lesion_count"))
    ),
    "stages.shallow.steps=4",
    "stages.deep.steps=4",
    "stages.instruct.steps=6",
    "stages.rl.steps=2",
    "stages.rl.save_every=1",
    "stages.rl.rollout_prompts=4",
    "stages.rl.update_prompts=4",
    "stages.rl.per_device_batch=32",
    # One that fails at its third step: it may cost a line, and nothing else.
    "trackers=[{name: tensorboard}, {name: breaking}]",
]
PLUGINS = Path(__file__).parents[1] / "support" / "plugins"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "LINGSHU_PLUGINS": str(PLUGINS)}


def lingshu(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lingshu_train", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=400, env=ENVIRONMENT)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "short"
    done = lingshu("run", "quickstart", f"output={folder}", *SHORT)
    assert done.returncode == 0, done.stderr
    assert "rl − instruct" in done.stdout, "the closing table compares GRPO with instruction tuning"
    return folder


def folder_of(run: Path, stage: str) -> Path:
    return next(path for path in run.glob(f"{stage}-*") if (path / "manifest.json").exists())


def test_the_same_command_again_trains_nothing(run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("manifest.json")}
    again = lingshu("run", "quickstart", f"output={run}", *SHORT)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("done, skipped") == 8
    assert {path: path.stat().st_mtime_ns for path in run.rglob("manifest.json")} == before


def test_shallow_alignment_changes_the_vision_parts_and_leaves_the_language_model_alone(run: Path) -> None:
    from safetensors.torch import load_file

    before = load_file(folder_of(run, "base") / "model" / "model.safetensors")
    after = load_file(folder_of(run, "shallow") / "model" / "model.safetensors")
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed
    assert all(name.startswith("visual.") for name in changed), sorted(changed)[:3]


def test_plain_transformers_loads_the_export(run: Path) -> None:
    import torch
    from transformers import AutoModelForImageTextToText

    place = folder_of(run, "export") / "export"
    model = AutoModelForImageTextToText.from_pretrained(place)
    assert type(model).__name__ == "Qwen2_5_VLForConditionalGeneration"
    trained = AutoModelForImageTextToText.from_pretrained(folder_of(run, "rl") / "model")
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), trained.state_dict().values(), strict=True)
    )
    assert {path.suffix for path in place.iterdir()} <= {".safetensors", ".json", ".jinja", ".md"}
    assert (
        json.loads((place / "preprocessor_config.json").read_text())["processor_class"]
        == "Qwen2_5_VLProcessor"
    )


def test_the_export_carries_the_chain_of_manifests_back_to_its_corpus(run: Path) -> None:
    told = json.loads((folder_of(run, "export") / "export" / "provenance.json").read_text())
    named = {one["stage"]: one for one in told["stages"]}
    assert {"data", "base", "shallow", "deep", "instruct", "rl", "evaluate"} == set(named)
    for name, one in named.items():
        manifest = folder_of(run, name) / "manifest.json"
        assert one["manifest"] == hashlib.sha256(manifest.read_bytes()).hexdigest()
        assert all(named[parent]["manifest"] == sha256 for parent, sha256 in one["parents"].items())
    assert named["data"]["cards"] and not named["data"]["parents"]
    assert "chain: " in lingshu("verify", str(run)).stdout


def test_report_status_and_verify_tell_of_the_run(run: Path) -> None:
    page = lingshu("report", str(run))
    assert page.returncode == 0, page.stderr
    html = (run / "report.html").read_text(encoding="utf-8")
    assert "data:image/" in html
    assert "lesion_count" in html
    assert lingshu("status", str(run)).stdout.count("done") == 8
    assert lingshu("verify", str(run)).returncode == 0


def test_trackers_have_every_stage_that_trains_or_measures_and_a_broken_one_is_in_the_report(
    run: Path,
) -> None:
    followed = {path.name.split("-")[0] for path in (run / "trackers" / "tensorboard").iterdir()}
    assert followed == {"shallow", "deep", "instruct", "rl", "evaluate"}
    steps = {
        name: len(tensorboard(run / "trackers" / "tensorboard" / folder_of(run, name).name))
        for name in followed
    }
    assert steps == {"shallow": 4, "deep": 4, "instruct": 6, "rl": 2, "evaluate": 1}
    html = (run / "report.html").read_text(encoding="utf-8")
    for name in ("shallow", "deep", "instruct"):
        assert (
            f"{name}: tracker breaking: ConnectionError: the server hung up; training is not affected" in html
        )


def test_verify_names_a_file_that_changed_after_the_run(run: Path) -> None:
    target = folder_of(run, "export") / "export" / "config.json"
    text = target.read_text()
    target.write_text(text.replace("96", "97", 1))
    try:
        found = lingshu("verify", str(run))
    finally:
        target.write_text(text)
    assert found.returncode == 65
    assert "export/config.json" in found.stdout


def test_a_push_of_the_export_is_planned_and_nothing_is_sent(run: Path) -> None:
    planned = lingshu("push", str(run), "export", "somebody/tiny")
    assert planned.returncode == 0, planned.stderr
    assert "model.safetensors" in planned.stdout
    assert "nothing was sent" in planned.stdout


def test_torchrun_trains_the_same_recipe_on_two_processes(run: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "lingshu_train",
        "quickstart",
    ]
    changes = [
        f"output={run}",
        *SHORT,
        "pipeline=[data,base,shallow]",
        "cluster.deepspeed=zero2",
        "stages.shallow.per_device_batch=16",
    ]
    done = subprocess.run([*command, *changes], capture_output=True, text=True, timeout=400, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert "data: done, skipped" in done.stderr, "what one process prepared serves two"
    made = [json.loads(path.read_text()) for path in run.glob("shallow-*/manifest.json")]
    assert sorted(one["environment"]["world_size"] for one in made) == [1, 2]
