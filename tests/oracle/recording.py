"""Runs a stage of the package as it is, and writes down what its trainer was given and what it did.

    python recording.py STAGE_JSON FOLDER

Only looks: nothing that counts is changed. Each rank writes `FOLDER/rank-N.pt`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook
from trl import GRPOTrainer

from lingshu_train import dist
from lingshu_train.running import worker
from lingshu_train.stages.grpo.scoring import Scoring
from lingshu_train.training.collate import Collator
from lingshu_train.training.exact import Exact

TAG = "number_in_window"
"""Rides along with a window's completions while TRL shuffles and divides them."""


class Record:
    """What one rank saw."""

    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        """Rows of each batch that was collated."""
        self.gradients: list[dict[str, torch.Tensor]] = []
        """Of each optimizer step, as the optimizer reads them."""
        self.weights: list[dict[str, torch.Tensor]] = []
        """Before each optimizer step."""
        self.windows: list[dict[str, Any]] = []
        """Of each generation: rows, completions, rewards, advantages, log-probabilities."""
        self.parts: list[list[int]] = []
        """Numbers in their window of the completions of each forward pass."""
        self._names: dict[int, str] = {}

    def named(self, trainer: Exact) -> None:
        self._names = {id(p): _published(name) for name, p in trainer.model.named_parameters()}

    def stepped(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        found = {
            self._names[id(p)]: p
            for group in optimizer.param_groups
            for p in group["params"]
            if id(p) in self._names and p.grad is not None
        }
        if found:
            self.gradients.append({name: p.grad.detach().clone() for name, p in found.items()})
            self.weights.append({name: p.detach().clone() for name, p in found.items()})

    def generated(self, inputs: list[dict[str, Any]], found: dict[str, Any]) -> None:
        count = len(found["completion_ids"])
        found[TAG] = torch.arange(count)
        kept = ("advantages", "old_per_token_logps", "ref_per_token_logps", "completion_mask")
        self.windows[-1] |= {name: found[name].clone() for name in kept if found.get(name) is not None}
        assert self.windows[-1]["rows"] == [one["row"] for one in inputs]


def _published(name: str) -> str:
    """A parameter's name in a model's files."""
    return name.replace("model.visual.", "visual.").replace("model.language_model.", "model.")


@contextmanager
def recorded(folder: Path) -> Iterator[Record]:
    """What is trained inside is recorded."""
    record = Record()
    handle = register_optimizer_step_pre_hook(record.stepped)
    try:
        with ExitStack() as stack:
            for cls, name, replacement in _spies(record):
                stack.enter_context(patch.object(cls, name, replacement))
            yield record
    finally:
        handle.remove()
    folder.mkdir(parents=True, exist_ok=True)
    names = ("rows", "gradients", "weights", "windows", "parts")
    torch.save({name: getattr(record, name) for name in names}, folder / f"rank-{dist.place().rank}.pt")


def _spies(record: Record) -> Iterator[tuple[type, str, Any]]:
    collate, begin, reward = Collator.__call__, Exact.begin, Scoring.__call__
    generate, loss = GRPOTrainer._generate_and_score_completions, GRPOTrainer._compute_loss

    def collated(self: Collator, items: list[dict[str, Any]]) -> Any:
        rows = [row for item in items for row in _listed(item["row"])]
        record.rows.append(rows)
        return collate(self, items)

    def begun(self: Exact, run: Any) -> None:
        begin(self, run)
        record.named(self)

    def scored(self: Scoring, **given: Any) -> list[float | None]:
        totals = reward(self, **given)
        texts = [turn[0]["content"] for turn in given["completions"]]
        ids = [list(one) for one in given["completion_ids"]]
        record.windows.append(
            {"rows": list(given["row"]), "ids": ids, "texts": texts, "rewards": list(totals)}
        )
        return totals

    def generated(self: GRPOTrainer, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = generate(self, inputs)
        record.generated(inputs, found)
        return found

    def computed(self: GRPOTrainer, model: Any, inputs: dict[str, Any]) -> Any:
        record.parts.append(inputs[TAG].tolist())
        return loss(self, model, inputs)

    yield Collator, "__call__", collated
    yield Exact, "begin", begun
    yield Scoring, "__call__", scored
    yield GRPOTrainer, "_generate_and_score_completions", generated
    yield GRPOTrainer, "_compute_loss", computed


def _listed(row: int | list[int]) -> list[int]:
    return row if isinstance(row, list) else [row]


def read(folder: Path) -> list[dict[str, Any]]:
    """The records of all ranks."""
    return [torch.load(path, weights_only=False) for path in sorted(folder.glob("rank-*.pt"))]


def main(stage: str, folder: str) -> int:
    with recorded(Path(folder)):
        return worker.main(stage)


if __name__ == "__main__":
    worker._keep_out(worker.TRACKERS)
    code = main(sys.argv[1], sys.argv[2])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
