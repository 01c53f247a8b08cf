"""A corpus drawn by the tests and stages small enough to train in a second: the real trainers, nothing mocked."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image
from transformers import PreTrainedModel, ProcessorMixin

from lingshu_train.data.corpus.summary import Summary
from lingshu_train.data.corpus.writer import Kept, StoredPicture, Writer
from lingshu_train.data.order.mix import Mix
from lingshu_train.kind import Facts
from lingshu_train.model import family, load, shape
from lingshu_train.model.settings import Settings
from lingshu_train.record import Sample
from lingshu_train.running import launch
from lingshu_train.runs import ledger, manifest
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.stage import Stage
from lingshu_train.stages import _kinds as kinds
from lingshu_train.training.feed import Rows
from lingshu_train.training.limit import Limit

MODEL: dict[str, Any] = {
    "family": "qwen2_5_vl",
    "base": "",
    "dtype": "float32",
    "min_pixels": 784,
    "max_pixels": 12544,
    "shape": {
        "text": {
            "hidden": 32,
            "layers": 2,
            "heads": 4,
            "key_value_heads": 2,
            "intermediate": 64,
            "vocabulary": 512,
            "mrope_section": [1, 1, 2],
            "rope_theta": 10000.0,
            "tied": True,
        },
        "vision": {
            "hidden": 32,
            "depth": 2,
            "heads": 4,
            "intermediate": 64,
            "full_attention": [1],
            "window": 56,
        },
    },
    "build": {"initializer_range": 0.06},
}
FAMILY = family.of(MODEL["family"])
BUDGET = shape.of(MODEL["family"]).published_budget(
    min_pixels=MODEL["min_pixels"], max_pixels=MODEL["max_pixels"]
)
ALL_PARTS = ["vision_tower", "merger", "language_model"]
LONG = "there are several bright spots and the picture is otherwise quite dark as far as can be seen "


def model(source: Path) -> PreTrainedModel:
    """The model in a folder, in float32."""
    return load.model(FAMILY, str(source), dtype="float32", attention="sdpa")


def processor(source: Path) -> ProcessorMixin:
    """The processor in a folder, for pictures of 1 to 16 tokens."""
    return load.processor(FAMILY, str(source), BUDGET)


def write_corpus(
    folder: Path,
    rows: Iterable[tuple[Sample, Sequence[Image.Image]]],
    *,
    control: Sequence[str] = (),
    **options: int,
) -> Summary:
    """A finished corpus of samples and their pictures, as a prepare stage leaves it; no text holds one of `control`."""
    writer = Writer(folder, **options)
    for sample, pictures in rows:
        writer.add([Kept(sample=sample, pictures=tuple(png(picture) for picture in pictures))])
    return writer.finish(licences={}, budget=BUDGET, control_tokens=control)


def png(picture: Image.Image) -> StoredPicture:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    return StoredPicture(
        data=data,
        digest=digest,
        suffix=".png",
        width=picture.width,
        height=picture.height,
        whole=picture.size,
    )


def draw_corpus(
    folder: Path,
    *,
    rows: int = 40,
    reasoning: bool = True,
    seen: Callable[[int], bool] = lambda _: True,
) -> Path:
    """A finished prepare stage: bright spots on noise, how many? Answers of very unequal length show wrong averaging.

    `seen` says which samples come with their picture; the others are text alone.
    """
    draw = np.random.default_rng(0)
    samples = []
    for n in range(rows):
        count = int(draw.integers(0, 4))
        pixels = draw.integers(0, 60, (56, 56), dtype=np.uint8)
        for cell in draw.permutation(4)[:count]:
            y, x = 28 * (cell // 2) + 8, 28 * (cell % 2) + 8
            pixels[y : y + 10, x : x + 10] = 230
        sample = Sample(
            id=f"spots-{n}",
            card="drawn",
            split="train" if n < rows - 8 else "held_out",
            task="count",
            question="How many bright spots?",
            question_type="numeric",
            answer=str(count),
            reasoning=LONG * (n % 3) + f"{count} spots" if reasoning else "",
            group=f"picture-{n}",
            modality="drawn",
        )
        samples.append((sample, (Image.fromarray(pixels).convert("RGB"),) if seen(n) else ()))
    write_corpus(folder / "corpus", samples)
    prepare = {"kind": "prepare", "cards": ["package_pydicom"], "image_size": 56, "questions": {}}
    finish(make_stage(folder.parent, folder.name, prepare, parents={}), outputs=["corpus"])
    return folder


def rows(
    stage: Stage,
    source: Path,
    *,
    corpus: str = "data",
    split: str = "train",
    tokens: int = 512,
    **options: Any,
) -> Rows:
    """All rows of a corpus's split that are short enough, measured with the processor of the model in `source`."""
    wanted = Settings.model_validate_json(json.dumps(stage.model))
    limit = Limit(tokens=tokens, completion=True, most=options.pop("most", 0.0))
    return Rows(
        stage, [Mix(corpus=corpus, split=split)], source=str(source), wanted=wanted, limit=limit, **options
    )


def samples(rows: Rows) -> list[Sample]:
    """All of them, in row order."""
    return [rows.sample(row) for row in range(len(rows))]


def finish(stage: Stage, *, outputs: list[str]) -> None:
    """Write the manifest that makes a stage done."""
    here = manifest.environment(device="cpu", processor="", world_size=1, threads=1)
    manifest.write(stage, ran_on=here, results={}, outputs=outputs, seconds=0.0)


def make_stage(
    root: Path,
    name: str,
    config: dict[str, Any],
    *,
    parents: dict[str, Path],
    model: dict[str, Any] = MODEL,
    deepspeed: str = "none",
    offload: str = "none",
    world_size: int = 1,
) -> Stage:
    """A stage record as the planner would write it, its configuration checked by its kind."""
    read = kinds.read(config, where=f"stages.{name}")
    read.check(f"stages.{name}")
    return Stage(
        run="test",
        name=name,
        kind=config["kind"],
        content=f"{name}-content",
        folder=str(root / name),
        parents={key: str(value) for key, value in parents.items()},
        about=read.about(),
        config=config,
        model=model,
        cluster=Cluster(name="test", device="cpu", deepspeed=deepspeed, offload=offload, threads=1),  # type: ignore[arg-type]
        world_size=world_size,
        seed=0,
        data_root=str(root / "data"),
        version="test",
    )


def sft(**changes: Any) -> dict[str, Any]:
    """12 steps over 32 rows in global batches of 4: the first epoch ends at step 8."""
    return {
        "kind": "sft",
        "base": "base",
        "data": [{"corpus": "data", "tasks": []}],
        "train": ALL_PARTS,
        "learning_rate": dict.fromkeys(ALL_PARTS, 1e-2),
        "steps": 12,
        "per_device_batch": 4,
        "max_length": 512,
        "save_every": 3,
        "keep": 9,
        **changes,
    }


def grpo(**changes: Any) -> dict[str, Any]:
    """12 steps of 4 prompts in generation windows of 2 steps: the first epoch of 32 prompts ends at step 8."""
    terms = [{"name": "accuracy", "weight": 1.0}, {"name": "format", "weight": 0.5}]
    return {
        "kind": "grpo",
        "base": "warm",
        "data": [{"corpus": "short", "tasks": []}],
        "train": ALL_PARTS,
        "learning_rate": dict.fromkeys(ALL_PARTS, 2e-3),
        "rewards": {"mode": "sum", "terms": terms},
        "steps": 12,
        "group_size": 4,
        "rollout_prompts": 8,
        "update_prompts": 4,
        "per_device_batch": 8,
        "max_completion": 8,
        "save_every": 4,
        "keep": 9,
        **changes,
    }


def run_here(stage: Stage) -> Facts:
    """Do a stage in this process, without its manifest."""
    stage.write()
    config = kinds.read(stage.config, where=f"stages.{stage.name}")
    return kinds.run_of(stage.kind)(stage, config, Settings.model_validate_json(json.dumps(stage.model)))


def start(stage: Stage) -> subprocess.Popen[bytes]:
    """Start a stage's processes as the launcher does."""
    path = stage.write()
    environment = launch.environment(stage)
    log = (stage.path / "log.txt").open("ab")
    return subprocess.Popen(launch.command(stage, path), env=environment, stdout=log, stderr=log)


def run(stage: Stage) -> int:
    return start(stage).wait(timeout=300)


def kill_when(process: subprocess.Popen[bytes], happened: Callable[[], bool]) -> None:
    """SIGKILL the process and all it started, the moment something has happened."""
    deadline = time.monotonic() + 200
    while not happened():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "what the test waits for never happened"
        time.sleep(0.002)
    # Listing the children takes longer than a save: hold a lone process still meanwhile.
    process.send_signal(signal.SIGSTOP)
    for child in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        try:
            os.kill(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def steps_done(stage: Stage) -> int:
    """Whole ledger lines so far."""
    path = stage.path / ledger.NAME
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def trajectory(folder: Path) -> list[dict[str, Any]]:
    """The ledger without its timings."""
    return [ledger.replayable(line) for line in ledger.steps(folder)]


def weights(folder: Path) -> dict[str, str]:
    """sha256 of the safetensors files of a finished stage's model."""
    return {
        path.name: manifest.file_digest(path) for path in sorted((folder / "model").glob("*.safetensors"))
    }
