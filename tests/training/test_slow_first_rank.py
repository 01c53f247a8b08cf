"""What the first rank does alone may take longer than ranks wait for each other's gradients: nobody gives up meanwhile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from lingshu_train.running import launch
from lingshu_train.running.faults import reported
from lingshu_train.runs import manifest

pytestmark = pytest.mark.slow

TIMEOUT_S, LONG_S = 10, 12
SLOW = f"""
import os, sys, time
from transformers import Trainer
from deepspeed.runtime.checkpoint_engine.torch_checkpoint_engine import TorchCheckpointEngine
from lingshu_train.data.corpus import lengths
from lingshu_train.running import worker
from lingshu_train.runs import checkpoint, inputs, manifest
from lingshu_train.training import packed

def slowly(owner, name):
    whole = getattr(owner, name)
    def slow(*args, **kwargs):
        print("slowly:", name, flush=True)
        time.sleep({LONG_S})
        setattr(owner, name, whole)
        return whole(*args, **kwargs)
    setattr(owner, name, slow)

if os.environ["RANK"] == "0":
    for owner, name in (
        (inputs, "check"), (lengths, "of"), (packed.Packed, "_plan"), (Trainer, "_save"),
        (TorchCheckpointEngine, "save"), (checkpoint, "commit"), (manifest, "write"),
    ):
        slowly(owner, name)
sys.exit(worker.main(sys.argv[1]))
"""
"""Each of them is slow once, on the first rank."""


def test_the_first_rank_may_work_longer_than_an_exchange_may_take(base: Path, tmp_path: Path) -> None:
    parents = {name: base / name for name in ("data", "base")}
    config = tiny.sft(per_device_batch=2, steps=2, save_every=1, layout="packs")
    stage = tiny.make_stage(tmp_path, "sft", config, parents=parents, world_size=2)
    cluster = stage.cluster.model_copy(update={"collective_timeout": float(TIMEOUT_S), "deepspeed": "zero2"})
    stage = stage.model_copy(update={"cluster": cluster})
    stage.write()
    (tmp_path / "slow.py").write_text(SLOW)
    ranks = [sys.executable, "-m", "lingshu_train.running.ranks"]
    done = subprocess.run(
        [*ranks, tmp_path / "slow.py", stage.path / "stage.json"],
        env=launch.environment(stage),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{reported(stage)}\n{done.stdout}{done.stderr}"
    assert done.stdout.count("slowly:") == 7, done.stdout
    assert manifest.done(stage.path)
