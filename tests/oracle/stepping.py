"""Fine-tuning runs of the package on every layout, the oracle's own way beside each, and how far they are apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tiny
import torch
from independent import optimizer, supervised
from material import RATES, Material, Run

STEPS, WARMUP, MOST, DECAY = 4, 1, 0.5, 0.1
PACKED: dict[str, Any] = {"layout": "packs", "max_length": 420}
LAYOUTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "padded": ({"per_device_batch": 4}, {}),
    "accumulated": ({"per_device_batch": 1, "accumulation": 4}, {}),
    "packed": ({"per_device_batch": 1, "accumulation": 2, **PACKED}, {}),
    "packed, patches bounded": ({"per_device_batch": 2, **PACKED, "max_patches": 200}, {}),
    "two ranks": ({"per_device_batch": 2}, {"world_size": 2}),
    "two ranks, ZeRO-2": (
        {"per_device_batch": 1, "accumulation": 2},
        {"world_size": 2, "deepspeed": "zero2"},
    ),
}
"""What the recipe says, and on which processes: the same global batch of four rows, or of two packs."""
MORE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "packed, two ranks": ({"per_device_batch": 1, **PACKED}, {"world_size": 2}),
    "packed, two ranks, ZeRO-2": ({"per_device_batch": 1, **PACKED}, {"world_size": 2, "deepspeed": "zero2"}),
    "two ranks, ZeRO-1": ({"per_device_batch": 2}, {"world_size": 2, "deepspeed": "zero1"}),
    "two ranks, ZeRO-3": ({"per_device_batch": 2}, {"world_size": 2, "deepspeed": "zero3"}),
}
"""Compared by benchmarks/oracle.py."""


@dataclass(frozen=True)
class Pair:
    """A run of the package, the rows of its steps, and the oracle's steps over these rows from the same start."""

    run: Run
    rows: list[list[int]]
    steps: list[supervised.Step]
    watched: tuple[float, float]
    """The oracle's loss (nats per token) and token accuracy on the watched rows, at the end."""
    start: Mapping[str, torch.Tensor]
    end: Mapping[str, torch.Tensor]


def pair(layout: str, given: Material, folder: Path) -> Pair:
    changes, place = {**LAYOUTS, **MORE}[layout]
    config = tiny.sft(
        data=[{"corpus": "mixed"}],
        learning_rate=RATES,
        steps=STEPS,
        warmup_steps=WARMUP,
        max_grad_norm=MOST,
        weight_decay=DECAY,
        save_every=STEPS,
        watch={"corpus": "mixed", "split": "train", "every": STEPS, "per_device_batch": 7},
        **changes,
    )
    run = given.run(folder / ("oracle-sft-" + layout.replace(",", "").replace(" ", "-")), config, **place)
    rows = _rows(run, passes=changes.get("accumulation", 1))
    reader = given.reader()
    found = [reader.example(row) for row in given.rows("mixed")]
    model, weights = given.model("base")
    start = {name: value.detach().clone() for name, value in weights.items()}
    adam = optimizer.AdamW(rate, decay=DECAY)
    steps = [
        supervised.step(
            model,
            weights,
            [found[row] for row in batch],
            adam,
            most=MOST,
            scale=optimizer.cosine(done, steps=STEPS, warmup=WARMUP),
        )
        for done, batch in enumerate(rows)
    ]
    return Pair(run, rows, steps, supervised.measured(model, weights, found), start, weights)


def _rows(run: Run, *, passes: int) -> list[list[int]]:
    """Rows of each step, over all its forward passes and ranks."""
    collated = [record["rows"] for record in run.records]
    return [
        [row for rank in collated for rows in rank[step * passes : (step + 1) * passes] for row in rows]
        for step in range(STEPS)
    ]


def rate(name: str) -> float:
    """The highest learning rate of a parameter."""
    if name.startswith("visual.merger."):
        return RATES["merger"]
    return RATES["vision_tower"] if name.startswith("visual.") else RATES["language_model"]


def apart(pair: Pair) -> dict[str, float]:
    """The largest differences: loss and gradient norm relative; of watched rows absolute; of a tensor's clipped gradient against its largest value
    (absent where ZeRO holds it in pieces); of a weight against its highest learning rate."""
    ledger = pair.run.ledger
    found = {
        "loss": max(abs(line["loss"] / step.loss - 1) for line, step in zip(ledger, pair.steps, strict=True)),
        "norm": max(
            abs(line["grad_norm"] / step.norm - 1) for line, step in zip(ledger, pair.steps, strict=True)
        ),
        "weight": max(
            ((pair.run.weights[name] - value).abs().max() / rate(name)).item()
            for name, value in pair.end.items()
        ),
    }
    for name, own in zip(("held_out/loss", "held_out/token_accuracy"), pair.watched, strict=True):
        found[name] = abs(ledger[-1][name] - own)
    gradients = [step for record in pair.run.records for step in _gradients(record["gradients"], pair.steps)]
    return found | ({"gradient": max(gradients)} if gradients else {})


def _gradients(found: list[dict[str, torch.Tensor]], steps: list[supervised.Step]) -> list[float]:
    if not found:
        return []
    off = []
    for mine, step in zip(found, steps, strict=True):
        assert mine.keys() == step.gradients.keys()
        for name, gradient in step.gradients.items():
            off.append(((mine[name] - gradient).abs().max() / gradient.abs().max()).item())
    return off
