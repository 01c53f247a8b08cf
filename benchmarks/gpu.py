"""The checks that wait for a GPU, in one call of under ten minutes; on a CPU the same steps show that the script itself is whole.

    python benchmarks/gpu.py SEED OUT [--device cuda] [--small] [--minutes 9] [--folder FOLDER] [--only CHECK ...]

SEED is a run of `quickstart` whose corpus and model are made (`benchmarks/gpu.sh prepare`), so that the packages whose pictures it takes
are not needed here. OUT gets gpu.json, written anew after each check: what ends the call early leaves what was found. A check that
fails, or is not reached in time, says so there and in the exit code. `--small` takes a few steps a stage; its figures say nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))
os.environ.setdefault("LINGSHU_KEY", "a-key-of-the-benchmark-that-signs-nothing-else")

import circumstances  # noqa: E402
import commands  # noqa: E402
import faulty_worker  # noqa: E402
import guards  # noqa: E402
import quickstart_seeds  # noqa: E402
import tiny  # noqa: E402
import torch  # noqa: E402
from commands import Wrong  # noqa: E402

from lingshu_train.running import launch  # noqa: E402
from lingshu_train.runs import ledger, manifest, run  # noqa: E402

SMALL = (
    *(f"stages.{name}.steps=4" for name in ("shallow", "deep")),
    *(f"stages.{name}.save_every=2" for name in ("shallow", "deep", "rl")),
    "stages.instruct.steps=12",
    "stages.instruct.save_every=4",
    "stages.instruct.per_device_batch=8",
    "stages.rl.steps=6",
    "stages.rl.rollout_prompts=8",
    "stages.rl.update_prompts=8",
    "stages.rl.per_device_batch=64",
    *(f"~stages.{name}.watch" for name in ("shallow", "deep", "instruct", "rl")),
    "stages.evaluate.models=[instruct,rl]",
    "stages.evaluate.max_completion=4",
)
TRAINED = "pipeline=[data,base,shallow,deep,instruct,rl]"
STILL_S = 20
"""Seconds after which a rank is taken to stand still, in the run that is stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Where the checks work, on what, and until when (monotonic seconds)."""

    root: Path
    seed: Path
    out: Path
    device: str
    small: bool
    until: float

    @property
    def straight(self) -> Path:
        return self.root / "straight"

    @property
    def left(self) -> float:
        return max(self.until - time.monotonic(), 1.0)

    def words(self, folder: Path, *more: str) -> list[str]:
        small = SMALL if self.small else ()
        own = (f"output={folder}", f"cluster.device={self.device}", "cluster.deterministic=true")
        return ["run", "quickstart", *own, *small, *more]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("seed", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument(
        "--folder", type=Path, help="where the runs are made and stay; a temporary folder without"
    )
    parser.add_argument("--only", nargs="*", choices=[check.__name__ for check in CHECKS], default=[])
    chosen = parser.parse_args()
    told = circumstances.told("torch", "transformers", "trl", "accelerate", "datasets", "deepspeed")
    found: dict[str, Any] = {
        "what": (__doc__ or "").partition("\n")[0],
        **told,
        "small": chosen.small,
        "checks": {},
    }
    chosen.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = Work(
            root=(chosen.folder or Path(temporary)).resolve(),
            seed=chosen.seed.resolve(),
            out=chosen.out.resolve(),
            device=chosen.device,
            small=chosen.small,
            until=time.monotonic() + 60 * chosen.minutes,
        )
        work.root.mkdir(parents=True, exist_ok=True)
        for check in CHECKS:
            if not chosen.only or check.__name__ in chosen.only:
                found["checks"][check.__name__] = checked(check, work)
                text = json.dumps(found, indent=1) + "\n"
                (chosen.out / "gpu.json").write_text(text, encoding="utf-8")
    return int(any(one["end"] != "right" for one in found["checks"].values()))


def checked(check: Callable[[Work], dict[str, Any]], work: Work) -> dict[str, Any]:
    """One check: right, wrong or not reached, what it found and how long it took."""
    if time.monotonic() >= work.until:
        return {"end": "not reached"}
    since = time.monotonic()
    try:
        found = {"end": "right", **check(work)}
    except (
        Wrong,
        OSError,
        RuntimeError,
        ValueError,
        KeyError,
        AssertionError,
        subprocess.SubprocessError,
    ) as fault:
        found = {"end": "wrong", "why": f"{type(fault).__name__}: {fault}"[-2000:]}
    found["seconds"] = round(time.monotonic() - since, 1)
    print(check.__name__, json.dumps(found), flush=True)
    return found


def machine(work: Work) -> dict[str, Any]:
    if work.device == "cpu":
        return {"device": "cpu", "threads": torch.get_num_threads()}
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    return {
        "device": torch.cuda.get_device_name(),
        "nvidia_smi": subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip(),
        "cuda": torch.version.cuda,
        "nccl": ".".join(map(str, torch.cuda.nccl.version())),
    }


def quickstart(work: Work) -> dict[str, Any]:
    """The whole pipeline, uninterrupted."""
    if not work.straight.is_dir():
        shutil.copytree(work.seed, work.straight)
    since = time.monotonic()
    commands.lingshu(*work.words(work.straight), limit_s=work.left)
    record = quickstart_seeds.record(work.straight, round(time.monotonic() - since, 1))
    ran_on = manifest.read(place(work.straight, "rl")).environment.device
    if ran_on != work.device:
        raise Wrong(f"ran on {ran_on}")
    return {"record": record}


def interrupted(work: Work) -> dict[str, Any]:
    """The same from its third training stage on: a rank stopped (found, with its stacks), then all killed, then gone on."""
    folder = work.root / "interrupted"
    done = ("data", "base", "shallow", "deep")
    for name in done:
        stage = place(work.straight, name)
        shutil.copytree(stage, folder / stage.name)
    words = work.words(folder, TRAINED)
    stage, after = place(work.straight, "instruct").name, 3 if work.small else 90
    first = commands.start(*words, f"+cluster.step_timeout={STILL_S}", log=work.root / "stopped.log")
    first.wait(lambda: lines(folder / stage) >= after, until=work.until)
    since = time.monotonic()
    first.rank.send_signal(signal.SIGSTOP)
    code = first.process.wait(timeout=work.left)
    took = round(time.monotonic() - since, 1)
    stacks = (folder / stage / "stacks.txt").read_text(encoding="utf-8", errors="replace")
    if code != 75 or "most recent call first" not in stacks:
        raise Wrong(f"a stopped rank ended with {code}: {first.said}")
    stage, after = place(work.straight, "rl").name, 3 if work.small else 15
    second = commands.start(*words, log=work.root / "killed.log")
    second.wait(lambda: lines(folder / stage) >= after, until=work.until)
    second.kill()
    commands.lingshu(*words, limit_s=work.left)
    return {
        "stopped_rank": {"exit_code": 75, "found_after_s": took, "frames": stacks.count("\n  File ")},
        "killed_at_step": after,
        "equal": {
            name: equal(place(work.straight, name), place(folder, name)) for name in ("instruct", "rl")
        },
    }


def replay(work: Work) -> dict[str, Any]:
    """Steps from before and after a checkpoint, supervised and GRPO, bit for bit."""
    steps = {"instruct": "5:8", "rl": "3:4"} if work.small else {"instruct": "81:90", "rl": "37:40"}
    for name, which in steps.items():
        said = commands.lingshu("replay", str(work.straight), name, "--steps", which, limit_s=work.left)
        if "compared bit for bit" not in said:
            raise Wrong(said[-500:])
    return {"bit_for_bit": steps}


def passing_fault(work: Work) -> dict[str, Any]:
    """A loss that is infinite once: the batch is run again from the device's own random state, to the bits of a run without."""
    root = work.root / "fault"
    guards.prepare(root)
    made = []
    for name in ("plain", "faulty"):
        parents = {"data": root / "data", "base": root / "base"}
        stage = tiny.make_stage(root, name, tiny.sft(), parents=parents, model=guards.MODEL)
        update = {"device": work.device, "deterministic": True}
        stage = stage.model_copy(
            update={"cluster": stage.cluster.model_copy(update=update), "content": "the same"}
        )
        command = launch.command(stage, stage.write())
        fault = faulty_worker.Fault(
            what="loss", step=6, times=int(name == "faulty"), rank=-1, count=str(stage.path / "count")
        )
        where = command.index("lingshu_train.running.worker")
        command[where - 1 : where + 1] = [faulty_worker.__file__]
        told = {"FAULT": json.dumps(fault._asdict())}
        commands.ended(command, limit_s=work.left, environment=launch.environment(stage) | told)
        made.append(stage.path)
    again = [line["step"] for line in ledger.steps(made[1]) if line.get("ran_again")]
    if again != [6] or tiny.weights(made[0]) != tiny.weights(made[1]):
        raise Wrong(f"ran again: steps {again}; weights {[tiny.weights(one) for one in made]}")
    return {"ran_again": again, "weights": "equal"}


def guard(work: Work) -> dict[str, Any]:
    """benchmarks/guards.py: the guard's share of a step, and how often it waits for the device."""
    place = work.out / "guards.json"
    steps = "16" if work.small else "60"
    command = [sys.executable, str(HERE / "guards.py"), "--device", work.device, "--worlds", "1"]
    commands.ended([*command, "--steps", steps, "--out", str(place)], limit_s=work.left)
    found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    return {"by_processes": found["by_processes"], "weights": found["weights"]}


def exchange(work: Work) -> dict[str, Any]:
    """Sums over ranks: nccl in one process, and gloo between two that share the device (nccl refuses that)."""
    found = {}
    for backend, world in (("nccl" if work.device == "cuda" else "gloo", 1), ("gloo", 2)):
        store = work.root / f"store-{backend}-{world}"
        ranks = [
            subprocess.Popen(
                [
                    sys.executable,
                    str(HERE / "exchange.py"),
                    backend,
                    str(rank),
                    str(world),
                    str(store),
                    work.device,
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank in range(world)
        ]
        said = [one.communicate(timeout=work.left)[0] for one in ranks]
        if any(one.returncode for one in ranks):
            raise Wrong(f"{backend}, {world}: {said[0][-800:]}")
        found[f"{backend}, {world} process{'es' if world > 1 else ''}"] = json.loads(said[0].splitlines()[-1])
    return found


CHECKS = (machine, quickstart, interrupted, replay, passing_fault, guard, exchange)


def place(folder: Path, name: str) -> Path:
    found = run.read(folder)
    return found.folder(found.stage(name))


def lines(stage: Path) -> int:
    path = stage / ledger.NAME
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def equal(one: Path, other: Path) -> dict[str, str]:
    """Weights by hash and the ledger without its timings."""
    if tiny.weights(one) != tiny.weights(other):
        raise Wrong(f"{one.name}: the weights are not equal")
    if tiny.trajectory(one) != tiny.trajectory(other):
        raise Wrong(f"{one.name}: the ledgers are not equal")
    return tiny.weights(one)


if __name__ == "__main__":
    sys.exit(main())
