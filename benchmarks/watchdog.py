"""What it costs that a launcher watches its ranks: signs of life in the rank, looking in the launcher, as shares of a tiny step.

    python benchmarks/watchdog.py

The rank's part is the time of both signs of a step, written to a pipe that is read; the launcher's is its processor time over ten
seconds of waiting for a rank. A step is the median of the tests' tiny model, far shorter than any real one. The arms with and
without a step's signs alternate; the difference of their medians is the cost. The result is benchmarks/results/watchdog.json.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import circumstances  # noqa: E402
import tiny  # noqa: E402

from lingshu_train import pulse, stopping  # noqa: E402
from lingshu_train.running import ranks  # noqa: E402
from lingshu_train.running.watch import Watch  # noqa: E402
from lingshu_train.runs import ledger  # noqa: E402
from lingshu_train.runs.cluster import Cluster  # noqa: E402

RESULT = HERE / "results" / "watchdog.json"
REPEATS, STEPS, WAIT_S = 15, 2000, 10


def main() -> None:
    told = circumstances.told("torch")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        step = step_s(root)
        rank = rank_s()
        launcher = launcher_share(root)
    data = {
        "what": __doc__.splitlines()[0],
        **told,
        "tiny_step_ms": round(step * 1e3, 2),
        "signs_of_a_step_us": round(rank * 1e6, 2),
        "share_of_a_step": round(rank / step, 6),
        "launcher_share_of_a_core": round(launcher, 5),
    }
    RESULT.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(data, indent=1))


def step_s(root: Path) -> float:
    tiny.draw_corpus(root / "data")
    data = {"data": root / "data"}
    both = {**data, "base": root / "base"}
    for stage in (
        tiny.make_stage(root, "base", {"kind": "build", "corpus": "data"}, parents=data),
        tiny.make_stage(root, "sft", tiny.sft(steps=40, save_every=40), parents=both),
    ):
        if tiny.run(stage):
            sys.exit((stage.path / "log.txt").read_text(encoding="utf-8"))
    return statistics.median(line["seconds"] for line in ledger.steps(root / "sft"))


def rank_s() -> float:
    """Seconds of a step's two signs."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    watch = Watch(os.getpid(), reading, Cluster(name="benchmark"))

    def arm(pipe: int | None) -> float:
        pulse._pipe = pipe
        since = time.perf_counter()
        for _ in range(STEPS):
            pulse.give(pulse.BEGUN)
            pulse.give(pulse.ENDED)
        took = (time.perf_counter() - since) / STEPS
        watch.still(time.monotonic())
        return took

    arms = [(arm(None), arm(writing)) for _ in range(REPEATS)]
    pulse._pipe = None
    return statistics.median(b for _, b in arms) - statistics.median(a for a, _ in arms)


def launcher_share(root: Path) -> float:
    """Processor seconds of the launcher in a second of waiting for one rank."""
    stage = tiny.make_stage(root, "wait", tiny.sft(), parents={})
    stage.write()
    start = ranks.Start([sys.executable, "-c", f"import time; time.sleep({WAIT_S})"], dict(os.environ))
    with stopping.listening():
        since = time.process_time()
        ranks.carry_out(stage, [start])
        return (time.process_time() - since) / WAIT_S


if __name__ == "__main__":
    main()
