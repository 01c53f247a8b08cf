"""Measures `lingshu forget` on the quickstart against the run without the sample from its first step, and compares their bits.

    python benchmarks/forget.py [--built RUN] [--folder FOLDER] [--out FILE] [KEY=VALUE ...]

Settings change the quickstart, as on the command line of `lingshu run`; `--built` is a finished quickstart, of which the corpus and
the model of its stage `base` are taken. That model is started from as from a published one: a tokenizer made from the texts would
come out otherwise without one of them, and all would be run anew. Three runs of the training stages: with the sample; `lingshu
forget` of it; and the recipe that this wrote, from its first step in a folder of its own. The sample is one of 20, that of median
first use in `instruct`. Seconds are of processor, of all processes together, and on the clock.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lingshu_train import naming
from lingshu_train.data.corpus import corpus
from lingshu_train.forgetting import certificate, deciding
from lingshu_train.forgetting.certificate import Certificate
from lingshu_train.runs import ledger, manifest
from lingshu_train.runs import run as runs
from lingshu_train.tracing.trace import trace

SAMPLES = 20
"""Samples whose first use is looked up, without running anything."""


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--built", type=Path)
    asked.add_argument("--folder", type=Path)
    asked.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "forget.json")
    asked.add_argument("settings", nargs="*")
    given = asked.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="forget-") as made:
        found = measured(given.folder or Path(made), given.built, given.settings)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    versions = {name: importlib.metadata.version(name) for name in ("torch", "transformers", "trl")}
    told = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit,
        "hardware": {"processor": platform.machine(), "cores": os.cpu_count(), "load_before": load},
        "versions": {**versions, "python": platform.python_version()},
        "settings": given.settings,
        **found,
    }
    given.out.write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(told, indent=1))


def measured(folder: Path, built: Path | None, settings: list[str]) -> dict[str, Any]:
    old, new, straight = folder / "old", folder / "without", folder / "straight"
    if built is None:
        built = folder / "built"
        timed("run", "quickstart", f"output={built}", "pipeline=[data, base]")
    start = [
        f"model.base={next(built.glob('base-*'))}/model",
        f"+stages.data.prepared={next(built.glob('data-*'))}/corpus",
        "stages.shallow.base=''",
        "pipeline=[data, shallow, deep, instruct, rl]",
    ]
    first = timed("run", "quickstart", f"output={old}", *start, *settings)
    uses = {name: use for name in drawn(old) if (use := first_use(old, name))}
    # Neither the best nor the worst.
    name = sorted(uses, key=lambda each: (uses[each], each))[len(uses) // 2]
    again = timed("forget", str(old), "--sample", name, "--output", str(new), "--erase")
    anew = timed("run", str(new / deciding.RECIPE), f"output={straight}")
    done = Certificate.model_validate_json(next(iter(new.glob(certificate.PATTERN))).read_text())
    steps, done_again = sum(one.steps for one in done.chain), sum(one.again for one in done.chain)
    return {
        "with_the_sample": first,
        "forget": again,
        "from_the_first_step": anew,
        "processor_seconds_saved": round(1 - again["cpu_seconds"] / anew["cpu_seconds"], 3),
        "steps": steps,
        "steps_again": done_again,
        "stages": {
            one.stage: {"how": one.how, "from": one.step, "first_use": one.first_use} for one in done.chain
        },
        "equal_weights": equal(new, straight, weights),
        "equal_ledgers": equal(new, straight, lines),
        "first_use_in_instruct": sorted(uses.values()),
    }


def timed(*words: str) -> dict[str, float]:
    """Seconds of a command and of all that it starts."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, "-m", "lingshu_train", *words], check=True, stdout=sys.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(time.monotonic() - start, 1), "cpu_seconds": round(spent, 1)}


def drawn(old: Path) -> list[str]:
    """Samples of the training split, drawn by their hashes."""
    found = corpus.load(next(old.glob("data-*")) / "corpus", split="train")
    return sorted((found.sample(n).id for n in range(len(found))), key=naming.digest)[:SAMPLES]


def first_use(old: Path, name: str) -> int:
    """The step of `instruct` in which a sample first came; 0: in none."""
    found = trace(old, "sample", name)
    return next((one.first for one in found.trained if one.stage == "instruct"), 0)


def equal(one: Path, other: Path, what: Any) -> bool:
    names = [stage.folder for stage in runs.read(one).stages]
    return all(what(one / name) == what(other / name) for name in names)


def weights(folder: Path) -> dict[str, str]:
    return {path.name: manifest.file_digest(path) for path in sorted(folder.glob("model/*.safetensors"))}


def lines(folder: Path) -> list[dict[str, Any]]:
    return [ledger.replayable(line) for line in ledger.steps(folder)]


if __name__ == "__main__":
    main()
