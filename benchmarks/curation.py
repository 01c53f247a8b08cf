"""What curation finds of planted faults, and what its steps cost.

    python benchmarks/curation.py

Faults: the rows of the quickstart's corpus, drawn lesions in pictures of installed packages, with faults of stated kinds planted
among them, go through the steps of `recipes/curate/recommended.yaml`. Of each kind it is counted how many rows were found by a
step that is meant for it (recall); of each step's decisions, how many were of planted rows meant for it (precision). What is
found beside them is listed by step: some of it is real, since packages carry pictures twice. Rows that only look alike are
planted too, and none of them should go.

Rates: pictures and rows a second of each step, on one core, in processor time, which other work on the machine disturbs least.
The result is benchmarks/results/curation.json.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "support"), str(HERE)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import circumstances  # noqa: E402
import numpy as np  # noqa: E402
import tiny  # noqa: E402
import yaml  # noqa: E402
from curating import caption, table  # noqa: E402
from PIL import Image  # noqa: E402
from planted_rows import EACH, SIDE, Planted, planted, report  # noqa: E402

from lingshu_train.curate import _deciding, _looks, _measuring, _rows, _steps, _work  # noqa: E402
from lingshu_train.data.corpus import corpus  # noqa: E402
from lingshu_train.data.images import hashes as _hashes  # noqa: E402

RESULT = HERE / "results" / "curation.json"
RECOMMENDED = HERE.parent / "recipes" / "curate" / "recommended.yaml"
MEANT = {
    "exact copy": {"exact_duplicates"},
    "JPEG of quality 50": {"near_pictures"},
    "resized to 0.75": {"near_pictures"},
    "report with a word changed": {"near_text"},
    "benchmark picture": {"decontamination"},
    "benchmark picture, JPEG of quality 60": {"decontamination"},
    "benchmark picture, 90 % of it": {"decontamination"},
    "benchmark patient": {"decontamination"},
    "benchmark question in a text": {"decontamination"},
    "caption of two words": {"caption_length"},
    "caption in German": {"language"},
    "name or date": {"identifiers"},
    "contradiction": {"contradictions"},
    "text in the picture": {"picture_quality"},
    "blank picture": {"picture_quality"},
    "screenshot": {"picture_quality"},
    "modality in words alone": {"modality_words"},
}
"""Kinds of faults and the steps that are to find them."""
FRIENDS = (
    "report with another side",
    "report with another number",
    "report with a negation",
    "next slice",
    "a lesion more",
)
"""What only looks like a copy."""


def main() -> None:
    told = circumstances.told("numpy", "pillow", "pyarrow")
    with tempfile.TemporaryDirectory() as folder:
        found = faults(Path(folder))
        rates = {"pictures": picture_rates(), "rows": row_rates(Path(folder)), "join": join_rates()}
    RESULT.write_text(
        json.dumps({**told, "faults": found, "rates": rates}, indent=1) + "\n", encoding="utf-8"
    )
    print(RESULT.read_text(encoding="utf-8"))


def faults(folder: Path) -> dict[str, Any]:
    """Recall by kind and precision by step."""
    draw = np.random.default_rng(0)
    base = corpus.load(prepared(folder))
    rows = list(planted(base, draw))
    order = draw.permutation(len(rows))
    # Whatever copies a row of the corpus comes after it: which of two stays is their order's matter.
    rows = [rows[n] for n in sorted(order.tolist(), key=lambda n: bool(rows[n].kind))]
    raw = folder / "planted"
    tiny.write_corpus(raw / "corpus", [(one.sample, one.pictures) for one in rows])
    steps = yaml.safe_load(RECOMMENDED.read_text(encoding="utf-8"))["steps"]
    steps[-1]["params"]["splits"] = ["held_out"]
    config = {"kind": "curate", "corpus": "raw", "steps": steps, "most_withdrawn": 1.0}
    stage = tiny.make_stage(folder, "clean", config, parents={"raw": raw})
    before = time.process_time()
    tiny.run_here(stage)
    spent = time.process_time() - before
    return {"rows": len(rows), "of each kind": EACH, "core_s": round(spent, 1), **judged(rows, table(stage))}


def judged(rows: list[Planted], decisions: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = {one.sample.id: one.kind for one in rows}
    found = {(line["sample"], line["step"]) for line in decisions}
    totals = Counter(one.kind for one in rows)
    recall = {
        kind: round(
            sum((name, step) in found for name, of in kinds.items() if of == kind for step in steps)
            / totals[kind],
            3,
        )
        for kind, steps in MEANT.items()
    }
    steps: dict[str, dict[str, Any]] = {}
    for step in sorted({step for _, step in found}):
        hits = [kinds[name] for name, own in found if own == step]
        meant = sum(step in MEANT.get(kind, ()) for kind in hits)
        steps[step] = {
            "decided": len(hits),
            "precision": round(meant / len(hits), 3),
            "beside": dict(
                Counter(kind or "not planted" for kind in hits if step not in MEANT.get(kind, ()))
            ),
        }
    by_kind = {kind: precision(kind, kinds, decisions) for kind in MEANT}
    dropped = {line["sample"] for line in decisions if line["action"] == "drop"}
    friends = {kind: sum(kinds[name] == kind for name in dropped) for kind in FRIENDS}
    return {"recall": recall, "precision by kind": by_kind, "steps": steps, "false friends dropped": friends}


def precision(kind: str, kinds: dict[str, str], decisions: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the reasons for which rows of a kind were decided on by a step that is to find them: how many rows had these said of them,
    and of these how many were planted as a kind that the step is to find."""

    def said(line: dict[str, Any]) -> tuple[str, str]:
        return line["step"], line["reason"]

    meant = [line for line in decisions if line["step"] in MEANT[kind]]
    reasons = {said(line) for line in meant if kinds[line["sample"]] == kind}
    rows = {line["sample"]: line["step"] for line in meant if said(line) in reasons}
    right = sum(step in MEANT.get(kinds[name], ()) for name, step in rows.items())
    return {
        "decided": len(rows),
        "of this kind": sum(kinds[name] == kind for name in rows),
        "precision": round(right / len(rows), 3) if rows else None,
    }


def prepared(folder: Path) -> Path:
    """The corpus of the quickstart, with pictures of 84 pixels a side."""
    words = [
        "run",
        "quickstart",
        "pipeline=[data]",
        f"output={folder / 'run'}",
        f"stages.data.image_size={SIDE}",
    ]
    subprocess.run([sys.executable, "-m", "lingshu_train", *words], check=True, stdout=subprocess.DEVNULL)
    return next((folder / "run").glob("data-*")) / "corpus"


def picture_rates() -> dict[str, float]:
    """Pictures a second: decoded, and all that is measured of them."""
    found = {}
    for side in (84, 512, 1024):
        rough = Image.fromarray(
            np.random.default_rng(side).integers(0, 256, (side // 6, side // 6), dtype=np.uint8)
        )
        smooth = rough.resize((side, side), Image.Resampling.BICUBIC)
        for kind in ("PNG", "JPEG"):
            stream = io.BytesIO()
            smooth.save(stream, kind)
            data, count = stream.getvalue(), max(200_000 // side**2 * 10, 20)
            found[f"{kind} {side} x {side}"] = _rate(
                count,
                lambda data=data: _looks.measure(_opened(data)),  # type: ignore[misc]
            )
    return found


def _opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture


def _rate(count: int, once: Callable[[], object]) -> float:
    once()
    before = time.process_time()
    for _ in range(count):
        once()
    return round(count / (time.process_time() - before), 1)


def row_rates(folder: Path) -> dict[str, float]:
    """Rows a second of each step by itself, measuring included, on 20,000 reports without pictures."""
    draw, total = np.random.default_rng(1), 20_000
    made = [caption(f"r{n}", report(draw), split="train" if n % 20 else "held_out") for n in range(total)]
    tiny.write_corpus(folder / "reports" / "corpus", made)
    sources = _rows.sources(folder / "reports" / "corpus")
    found = {}
    for step in yaml.safe_load(RECOMMENDED.read_text(encoding="utf-8"))["steps"]:
        choice = _steps.StepChoice.model_validate(step)
        if choice.name == "decontamination":
            choice = _steps.StepChoice(name=choice.name, params={"splits": ["held_out"]})
        before = time.process_time()
        work = _work.begin(folder / "rates", sources, (choice,), where="steps")
        _measuring.measure(work)
        _deciding.decide(work)
        found[str(choice)] = round(total / (time.process_time() - before))
    return found


def join_rates() -> dict[str, float]:
    """Seconds of the exact search for pairs within three bits, of random hashes."""
    found = {}
    for total in (100_000, 1_000_000):
        hashes = np.unique(np.random.default_rng(2).integers(0, 1 << 63, total, dtype=np.uint64))
        before = time.process_time()
        pairs = sum(len(one) for one, _ in _hashes.near(hashes, 3))
        found[f"{total:,} hashes, s"] = round(time.process_time() - before, 2)
        found[f"{total:,} hashes, pairs"] = pairs
    return found


if __name__ == "__main__":
    main()
