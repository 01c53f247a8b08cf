"""A withdrawn row keeps its place and yields nothing: no token, no picture, no loss, and what is left is averaged over what is left."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from layouts import stage_for
from safetensors.torch import load_file

from lingshu_train.data.corpus import corpus
from lingshu_train.errors import DataError
from lingshu_train.model.shape import Counted
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.runs.withdrawn import MARK, Gone, written
from lingshu_train.stages.grpo.withdrawn import Passing
from lingshu_train.training.collate import IGNORED, Collator
from lingshu_train.training.metering import COUNTS

pytestmark = pytest.mark.slow


def without(stage: Stage, base: Path, rows: list[int], *, name: str = "data") -> Stage:
    fingerprint = corpus.load(base / name / "corpus").fingerprint
    gone = Gone(fingerprint=fingerprint, rows=written(sorted(rows)))
    return stage.model_copy(update={"withdrawn": {name: gone}, "content": "without"})


@pytest.fixture
def stage(base: Path, tmp_path: Path) -> Stage:
    return stage_for(base, tmp_path, ("sft", 1, "none"))


def collator(base: Path, rows: Any, *, packing: bool) -> Collator:
    source = base / "base" / "model"
    return Collator(
        processor=tiny.processor(source),
        packing=packing,
        stored=rows.stored,
        family=tiny.FAMILY,
        model=tiny.model(source),
        counts=True,
    )


@pytest.mark.parametrize("packing", [False, True])
def test_a_batch_is_that_of_the_rows_that_are_left(packing: bool, base: Path, stage: Stage) -> None:
    source = base / "base" / "model"
    rows, left = tiny.rows(stage, source), tiny.rows(without(stage, base, [3, 9]), source)
    assert len(rows) == len(left) and [rows.row(n) for n in range(64)] == [left.row(n) for n in range(64)]
    assert (left.withdrawn, rows.withdrawn) == (2, 0)
    one = collator(base, rows, packing=packing)([rows.dataset(system="", whole=True)[n] for n in (2, 5)])
    data = left.dataset(system="", whole=True)
    other = collator(base, left, packing=packing)([data[n] for n in (2, 3, 5, 9)])
    assert one.keys() == other.keys()
    counted = Counted(*other.pop(COUNTS))
    assert counted == Counted(*one.pop(COUNTS))
    for name in one:
        assert torch.equal(torch.as_tensor(one[name]), torch.as_tensor(other[name])), name
    assert (counted.samples, counted.tokens) == (2, sum(rows.tokens([2, 5])))
    assert left.names([2, 3]) == [rows.names([2])[0], MARK]
    assert data[3]["images"] == [] and data[3]["messages"] == []


@pytest.mark.parametrize("packing", [False, True])
def test_where_none_is_left_the_batch_asks_for_nothing_and_its_gradient_is_zero(
    packing: bool, base: Path, stage: Stage
) -> None:
    left = tiny.rows(without(stage, base, [3, 9]), base / "base" / "model")
    made = collator(base, left, packing=packing)
    data = left.dataset(system="", whole=True)
    batch = made([data[3], data[9]])
    assert COUNTS not in batch, "nothing is counted of it"
    assert bool((batch["labels"] == IGNORED).all())
    logits = made.model(**{key: value for key, value in batch.items() if key != "labels"}).logits
    (logits.float().log_softmax(-1) * 0).sum().backward()
    norms = [float(one.grad.abs().sum()) for one in made.model.parameters() if one.grad is not None]
    assert norms and not any(norms)


def test_a_step_of_which_nothing_is_left_moves_nothing_and_keeps_its_place(base: Path, stage: Stage) -> None:
    """Steps 2 and 3 of the order, whole: the weights after them are those after step 1, and step 4 goes on at its own rate."""
    rows = tiny.rows(stage, base / "base" / "model")
    lost = [rows.row(n) for n in range(4, 12)]
    made = without(stage, base, lost)
    config = {**made.config, "steps": 4, "save_every": 1}
    tiny.run_here(made.model_copy(update={"config": config}))
    lines = tiny.trajectory(made.path)
    assert [line.get("withdrawn") for line in lines] == [None, 4, 4, None]
    assert [line["loss"] is None for line in lines] == [False, True, True, False]
    assert lines[0]["tokens"] == lines[2]["tokens"] < lines[3]["tokens"]
    saved = [load_file(made.path / f"checkpoints/step-{n:08d}/model.safetensors") for n in (1, 3, 4)]
    assert all(torch.equal(saved[0][name], saved[1][name]) for name in saved[0])
    assert not all(torch.equal(saved[1][name], saved[2][name]) for name in saved[0])


def test_a_window_of_which_no_prompt_is_left_is_not_generated_and_the_next_one_is(
    base: Path, tmp_path: Path
) -> None:
    """Windows of 8 prompts and two steps: of the first none is left, of the second three of four, of the others all."""
    parents = {name: base / name for name in ("short", "warm")}
    config = tiny.grpo(steps=8, save_every=2)
    made = tiny.make_stage(tmp_path, "grpo", config, parents=parents)
    rows = tiny.rows(made, base / "warm" / "model", corpus="short")
    lost = [rows.row(n) for n in [*range(8), 9, 12]]
    tiny.run_here(without(made, base, lost, name="short"))
    lines = tiny.trajectory(made.path)
    assert [line.get("withdrawn", 0) for line in lines] == [8, 8, 2, 2, 0, 0, 0, 0]
    assert [line["loss"] is None for line in lines] == [True, True, *[False] * 6]
    assert "reward" not in lines[0] and 0 <= lines[2]["reward"] <= 1.5
    assert lines[2]["tokens"] > lines[1]["tokens"] == 0
    first, last = (load_file(made.path / f"checkpoints/step-{n:08d}/model.safetensors") for n in (2, 8))
    start = load_file(base / "warm" / "model" / "model.safetensors")
    assert all(torch.equal(first[name], start[name]) for name in first)
    assert not all(torch.equal(last[name], first[name]) for name in first)
    drawn = ledger.steps(made.path, name=ledger.COMPLETIONS)
    assert drawn and not {line["id"] for line in drawn} & {rows.names([row])[0] for row in lost}


def test_rows_of_another_corpus_are_refused(base: Path, stage: Stage) -> None:
    other = without(stage, base, [3], name="short").withdrawn["short"]
    wrong = stage.model_copy(update={"withdrawn": {"data": other}})
    with pytest.raises(DataError, match="these numbers are other rows"):
        tiny.rows(wrong, base / "base" / "model")


@pytest.mark.parametrize(
    ("loss", "left", "scale"),
    [
        ("grpo", [[1, 1, 1, 1], [1, 1, 1, 1]], 1.0),
        ("grpo", [[1, 1, 0, 0], [1, 1, 1, 1]], 8 / 6),
        ("dr_grpo", [[1, 0, 0, 0], [0, 0, 0, 1]], 4.0),
        ("cispo", [[1, 1, 0, 0], [0, 0, 0, 0]], 1.0),
        ("dapo", [[1, 1, 0, 0], [1, 1, 1, 1]], 1.0),
        ("grpo", [[0, 0, 0, 0], [0, 0, 0, 0]], 0.0),
        ("dapo", [[0, 0, 0, 0], [0, 0, 0, 0]], 0.0),
    ],
)
def test_a_mean_over_places_becomes_one_over_completions_that_are_left(
    loss: str, left: list[list[int]], scale: float
) -> None:
    """Losses as TRL takes them: the mean over completions (or tokens) of each forward pass, and over the passes of the step."""
    draw = torch.Generator().manual_seed(0)
    values = torch.rand(2, 4, 3, generator=draw)
    masks = [torch.tensor(part)[:, None].expand(4, 3) for part in left]
    fake: Any = SimpleNamespace(
        current_gradient_accumulation_steps=2,
        _step=7,
        args=SimpleNamespace(steps_per_generation=4),
        _buffered_inputs=[{"completion_mask": mask} for mask in (*reversed(masks), *masks)],
        loss_type=loss,
    )
    found = Passing._compute_scale(fake)
    assert found == pytest.approx(scale)
    kept = torch.stack(masks).bool()
    if loss == "grpo" and kept.any():
        passes = [
            (one * mask).sum(-1).div(mask.sum(-1).clamp(min=1)).mean()
            for one, mask in zip(values, masks, strict=True)
        ]
        wanted = values[kept].reshape(-1, 3).mean(-1).mean()
        assert torch.stack(passes).mean() * found == pytest.approx(float(wanted))


def test_the_flags_of_rows_are_those_of_the_stage(base: Path, stage: Stage) -> None:
    left = tiny.rows(without(stage, base, [0, 31]), base / "base" / "model")
    assert np.flatnonzero(left.gone(np.arange(32))).tolist() == [0, 31]
    told = left.taught()["drawn"]
    assert told.rows == 30, "what is withdrawn teaches nothing"
