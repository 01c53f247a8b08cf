"""Counts the steps that `lingshu forget` would run again for patients who consented recently, dealt late and dealt as all others.

    python benchmarks/forget_late.py [--out FILE]

The drawn pictures of the drill, one patient each; some consented late (`consented_late`). For each number of epochs two runs, with
the key and without it, and of each late patient what `lingshu forget --dry-run` says: no time is measured, so that any machine will
do. Beside it the mean loss of the last steps of the first epoch, of those before them, and on held-out rows at the end.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

import circumstances

from lingshu_train import environment
from lingshu_train.drill import command, drawn, tree, warm
from lingshu_train.drill.ground import Ground
from lingshu_train.forgetting import deciding
from lingshu_train.runs import ledger

PATIENTS, LATE = 400, 20
BATCH, SAVE_EVERY = 4, 5
EPOCHS = (1, 3)
LIMIT_S = 900.0


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "forget_late.json")
    given = asked.parse_args()
    told = circumstances.told("torch", "transformers", "trl")
    with tempfile.TemporaryDirectory(prefix="forget-late-") as made:
        told |= measured(Path(made))
    given.out.write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(told, indent=1))


def measured(folder: Path) -> dict[str, Any]:
    drawn.TRAIN = PATIENTS
    tree.adopt_orphans()
    warm.load()
    ground = Ground(folder)
    ground.draw()
    # Checkpoints count where this process has the key that signed them.
    for name, value in {**ground.environment(), "LINGSHU_CARDS": str(folder / "cards")}.items():
        environment.give(name, value)
    late = [f"p{number}" for number in range(PATIENTS - LATE, PATIENTS)]
    days = {f"p{number}": "2025-05-02" for number in range(PATIENTS)} | dict.fromkeys(late, "2026-03-02")
    lines = "".join(f"{patient},{day}\n" for patient, day in days.items())
    (folder / "consent.csv").write_text("patient,date\n" + lines)
    built = run(ground, "built", "pipeline=[data,base]")
    base = next(built.glob("base-*")) / "model"
    said = f"{{file: {folder / 'consent.csv'}, since: 2026-03-01}}"
    cases = []
    for epochs in EPOCHS:
        settings = [
            f"model.base={base}",
            f"+stages.data.prepared={next(built.glob('data-*')) / 'corpus'}",
            "pipeline=[data,sft]",
            "stages.sft.base=''",
            "stages.sft.steps=null",
            f"+stages.sft.epochs={epochs}",
            f"stages.sft.per_device_batch={BATCH}",
            f"stages.sft.save_every={SAVE_EVERY}",
            "stages.sft.keep=999",
            "+stages.sft.watch={corpus: data, every: 1000}",
        ]
        plain = run(ground, f"plain-{epochs}", *settings)
        dealt = run(ground, f"late-{epochs}", *settings, f"+stages.sft.consented_late={said}")
        cases.append(
            {"epochs": epochs, "as_all_others": told_of(plain, late), "dealt_late": told_of(dealt, late)}
        )
    return {"patients": PATIENTS, "late": LATE, "save_every": SAVE_EVERY, "batch": BATCH, "cases": cases}


def run(ground: Ground, name: str, *settings: str) -> Path:
    """A finished run of these settings."""
    place = ground.folder / name
    words = ["run", str(ground.recipe), f"output={place}", "--cards", str(ground.folder / "cards"), *settings]
    log = ground.folder / f"{name}.log"
    ended = command.start(words, log=log, variables=ground.environment()).wait(LIMIT_S)
    if ended.code != 0:
        raise SystemExit(f"{name}: ended with {ended.code}: {ended.line}")
    return place


def told_of(folder: Path, late: list[str]) -> dict[str, Any]:
    """Of each late patient the share of all steps that would be run again, and how the losses went."""
    stage = next(folder.glob("sft-*"))
    lines = ledger.steps(stage)
    shares = []
    for patient in late:
        made = deciding.plan(folder, deciding.Wish(what="patient", named=patient))
        taken = made.foreseen["sft"]
        shares.append(0.0 if taken.how in ("the same", "renamed") else 1 - taken.step / len(lines))
    border = (PATIENTS - LATE) // BATCH
    losses = [line["loss"] for line in lines]
    return {
        "steps": len(lines),
        "share_again_mean": round(mean(shares), 3),
        "share_again_most": round(max(shares), 3),
        "loss_before": round(mean(losses[border - LATE // BATCH : border]), 4),
        "loss_of_the_late": round(mean(losses[border : border + LATE // BATCH]), 4),
        "held_out_loss_at_the_end": round(lines[-1]["held_out/loss"], 4),
    }


if __name__ == "__main__":
    main()
