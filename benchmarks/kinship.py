"""What an evaluation finds of planted copies of seven kinds: recall of each kind, and precision of each tier.

    python benchmarks/kinship.py

Of the quickstart's held-out rows and of made-up questions in words, 20 of each kind are planted into a training set of 300 of its
rows: the same file, the same pixels in another file, a JPEG, nine tenths of the picture, another picture of the patient, the
question inside a longer text, and a row that a teacher made of a row with the question's picture. As many questions are planted
nowhere. The result is benchmarks/results/kinship.json.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import mattering
import numpy as np
from mattering import HERE, Row
from planted_for_training import jpeg

import circumstances  # isort: skip
from curating import caption, row  # isort: skip
from planted_rows import report  # isort: skip

from lingshu_train.data.corpus import corpus
from lingshu_train.evaluation import kinship
from lingshu_train.evaluation.benchmarks import tiers

EACH, TAUGHT, EDGE = 20, 300, 3
RESULT = HERE / "results" / "kinship.json"
TIER = {
    "bytes": "shared",
    "pixels": "shared",
    "near picture": "near",
    "crop": "near",
    "patient": "shared",
    "near text": "near",
    "child": "shared",
    "nothing": "clean",
    "nothing, in words": "clean",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        base = mattering.quickstart(Path(sys.argv[1]) if len(sys.argv) > 1 else root / "quickstart")
        asked, taught, older, kinds = planted(base)
        for part, rows in (("asked", asked), ("taught", taught), ("older", older)):
            mattering.tiny.write_corpus(root / part, rows)
        resaved(root, asked, kinds)
        exam = corpus.load(root / "asked")
        trained = [corpus.load(root / "taught"), corpus.load(root / "pixels")]
        before = time.process_time()
        found = kinship.of(trained, exam.samples, exam.image, above=[corpus.load(root / "older")])
        spent = time.process_time() - before
    told = {
        **circumstances.told("numpy", "pillow", "pyarrow"),
        "questions": len(asked),
        "training_rows": len(taught) + EACH,
        "core_s": round(spent, 1),
        **judged(found, tiers.told(found, exam.samples), kinds),
    }
    RESULT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(told, indent=1))


def planted(base: corpus.Corpus) -> tuple[list[Row], list[Row], list[Row], dict[str, str]]:
    """Questions, training rows, rows that a teacher was asked about, and what each question was planted as."""
    draw = np.random.default_rng(0)
    where = mattering.numbers(base)
    # A copy of a benchmark's picture comes from elsewhere: the card's patients are told apart by name.
    held = [mattering.row(base, n) for task in mattering.TASKS for n in where["held_out", task]]
    held = [
        (replace(sample, card="exam", group=f"exam {n}"), shown) for n, (sample, shown) in enumerate(held)
    ]
    questions = iter([held[n] for n in draw.permutation(len(held))])
    pool = [n for task in mattering.TASKS for n in where["train", task]]
    some = iter([mattering.row(base, n) for n in draw.permutation(pool)])
    asked, older, kinds = list[Row](), list[Row](), dict[str, str]()
    taught = [next(some) for _ in range(TAUGHT)]
    for kind in ("bytes", "pixels", "near picture", "crop", "patient", "child", "nothing"):
        for n in range(EACH):
            sample, shown = next(questions)
            sample = replace(sample, id=f"{kind} {n}")
            asked.append((sample, shown))
            kinds[sample.id] = kind
            name = f"taught {kind} {n}"
            made = replace(sample, id=name, card="web", group=f"web {name}", split="train")
            size = shown[0].size[0]
            match kind:
                case "bytes":
                    taught.append((made, shown))
                case "near picture":
                    taught.append((made, (jpeg(shown[0], 75),)))
                case "crop":
                    taught.append((made, (shown[0].crop((EDGE, EDGE, size - EDGE, size - EDGE)),)))
                case "patient":
                    other, pictures = next(some)
                    taught.append((replace(other, id=name, card="exam", group=sample.group), pictures))
                case "child":
                    older.append((replace(made, id=f"source {n}"), shown))
                    text = f"A teacher's answer number {n} about something that was shown to it"
                    born, _ = caption(name, text, card="web")
                    taught.append((replace(born, parents=(f"source {n}",)), ()))
    for n in range(EACH):
        for kind in ("near text", "nothing, in words"):
            question = f"In a patient whose scan shows {report(draw).lower()}, what is to be done next"
            one = row(f"{kind} {n}", question=question, answer="biopsy", split="held_out", card="exam")
            asked.append((one[0], ()))
            kinds[f"{kind} {n}"] = kind
            if kind == "near text":
                made, _ = row(
                    f"taught {kind} {n}",
                    question=f"Read: {question}? Say why.",
                    answer="biopsy it",
                    card="web",
                )
                taught.append((made, ()))
    return asked, taught, older, kinds


def resaved(root: Path, asked: list[Row], kinds: dict[str, str]) -> None:
    """The same pixels in other files."""
    import hashlib
    import io

    from lingshu_train.data.corpus.writer import Kept, Writer

    writer = Writer(root / "pixels")
    for sample, shown in asked:
        if kinds[sample.id] == "pixels":
            stream = io.BytesIO()
            shown[0].save(stream, "PNG", compress_level=0)
            data = stream.getvalue()
            stored = replace(mattering.tiny.png(shown[0]), data=data, digest=hashlib.sha256(data).hexdigest())
            made = replace(
                sample, id=f"taught {sample.id}", card="web", group=f"web {sample.id}", split="train"
            )
            writer.add([Kept(sample=made, pictures=(stored,))])
    writer.finish(licences={}, budget=mattering.tiny.BUDGET, control_tokens=())


def judged(found: kinship.Kinship, behind: tiers.Behind, kinds: dict[str, str]) -> dict[str, Any]:
    totals = Counter(kinds.values())
    right = Counter(
        kind for kind, asked in {(edge.kind, edge.asked) for edge in found.edges} if kinds[asked] == kind
    )
    rows = {(edge.asked, edge.taught) for edge in found.edges}
    true = sum(taught == f"taught {asked}" for asked, taught in rows)
    tiers_of = {
        tier: {
            "questions": len(here := [id for id, one in behind.tier.items() if one == tier]),
            "precision": round(sum(TIER[kinds[id]] == tier for id in here) / len(here), 3),
            "recall": round(
                sum(TIER[kinds[id]] == tier for id in here)
                / sum(TIER[kind] == tier for kind in kinds.values()),
                3,
            ),
        }
        for tier in tiers.TIERS
    }
    return {
        "recall_by_kind": {
            kind: round(right[kind] / totals[kind], 3) for kind in TIER if not kind.startswith("nothing")
        },
        "tier_by_planted": {
            kind: dict(Counter(behind.tier[id] for id, one in kinds.items() if one == kind)) for kind in TIER
        },
        "tiers": tiers_of,
        "edges": len(rows),
        "edges_to_the_planted_row": true,
        "fault": found.fault,
    }


if __name__ == "__main__":
    main()
