"""What it costs and spares to open pictures beside the step: a supervised stage with `loader_workers` of 0 and of 1, in turns.

    python benchmarks/loader_beside.py FOLDER [--steps 24] [--rounds 3] [--out FILE]

FOLDER is one of `sft_side_by_side.py`, which holds a corpus and a model of random weights with a vocabulary of 32,768 (hidden 64, two
layers in each tower; made where it is missing). Each run is a process of its own under the launcher's variables. Seconds of the
processor are the whole training loop's, workers and their start included; `waited` is what the steps waited for batches. The
weights at the end are to be the same.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import circumstances

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "loader_beside.json"
VOCABULARY = 32_768
for support in (HERE.parent / "tests" / "support", HERE / "side_by_side"):
    sys.path.insert(0, str(support))


def used() -> float:
    """Seconds of the processor, of this process and of those that it has waited for."""
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in found)


def once(folder: Path, workers: int, steps: int) -> dict[str, Any]:
    """One stage in this process."""
    import gc

    import rows
    import tiny
    from transformers import Trainer

    from lingshu_train.runs import ledger

    whole, found = Trainer.train, {}

    def train(self: Any, *args: Any, **kwargs: Any) -> Any:
        begun, clock = used(), time.monotonic()
        out = whole(self, *args, **kwargs)
        # Workers end with their loader, and count once they have ended.
        self.callback_handler.train_dataloader = None
        gc.collect()
        found.update(core=used() - begun, wall=time.monotonic() - clock)
        return out

    Trainer.train = train
    config = tiny.sft(
        layout="padded",
        steps=steps,
        save_every=10**6,
        max_length=rows.PACK,
        most_too_long=0.5,
        per_device_batch=rows.PER_STEP,
        learning_rate=dict.fromkeys(tiny.ALL_PARTS, 1e-3),
        loader_workers=workers,
    )
    parents = {name: folder / name for name in ("data", "base")}
    place = folder / f"run-{os.getpid()}"
    stage = tiny.make_stage(place, "padded", config, parents=parents, model=rows.block(VOCABULARY))
    tiny.run_here(stage)
    found["waited"] = sum(float(line["data_wait"]) for line in ledger.steps(stage.path))
    weights = tiny.weights(stage.path)
    shutil.rmtree(place)
    return {**found, "weights": weights, "load": os.getloadavg()[0]}


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--once", type=int, metavar="WORKERS")
    options = parser.parse_args(words)
    folder = options.folder.resolve() / str(VOCABULARY)
    if options.once is not None:
        print(json.dumps(once(folder, options.once, options.steps)))
        return
    import rows
    from sft_side_by_side import environment

    if not (folder / "base").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        rows.prepare(folder, VOCABULARY, 300)
    where = circumstances.told("torch", "transformers", "trl")
    found: dict[int, list[dict[str, Any]]] = {0: [], 1: []}
    for number in range(options.rounds):
        for workers in (0, 1) if number % 2 == 0 else (1, 0):
            call = [sys.executable, __file__, str(options.folder), "--steps", str(options.steps)]
            done = subprocess.run(
                [*call, "--once", str(workers)],
                env=environment("padded", folder),
                capture_output=True,
                text=True,
                check=True,
            )
            found[workers].append(json.loads(done.stdout.strip().splitlines()[-1]))
            print(workers, found[workers][-1], flush=True)
    assert len({json.dumps(one["weights"]) for each in found.values() for one in each}) == 1, "other weights"
    middle = {
        workers: {name: statistics.median(one[name] for one in each) for name in ("core", "wall", "waited")}
        for workers, each in found.items()
    }
    told = {
        **where,
        "what": __doc__.splitlines()[0],
        "steps": options.steps,
        "medians": middle,
        "one_over_none": {name: round(middle[1][name] / middle[0][name], 3) for name in middle[0]},
        "rounds": {
            workers: [
                {name: round(one[name], 2) for name in ("core", "wall", "waited", "load")} for one in each
            ]
            for workers, each in found.items()
        },
    }
    options.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
