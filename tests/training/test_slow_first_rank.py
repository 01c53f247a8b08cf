"""What the first rank does alone may take longer than ranks wait for each other's gradients: nobody gives up meanwhile."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import slow_first_rank
import started_there
import tiny

from lingshu_train.running import launch
from lingshu_train.running.faults import reported
from lingshu_train.runs import manifest

pytestmark = pytest.mark.slow

TIMEOUT_S, LONG_S = 6, 7


def test_the_first_rank_may_work_longer_than_an_exchange_may_take(base: Path, tmp_path: Path) -> None:
    parents = {name: base / name for name in ("data", "base")}
    config = tiny.sft(per_device_batch=2, steps=2, save_every=1, layout="packs")
    stage = tiny.make_stage(tmp_path, "sft", config, parents=parents, world_size=2)
    cluster = stage.cluster.model_copy(update={"collective_timeout": float(TIMEOUT_S), "deepspeed": "zero2"})
    stage = stage.model_copy(update={"cluster": cluster})
    done = subprocess.run(
        started_there.worker(launch.command(stage, stage.write()), "tests.support.slow_first_rank"),
        env=launch.environment(stage) | {"LONG_S": str(LONG_S)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{reported(stage)}\n{done.stdout}{done.stderr}"
    assert done.stdout.count("slowly:") == len(slow_first_rank.ALONE), done.stdout
    assert manifest.done(stage.path)
