"""What a step costs: counted where batches are made, operations as torch counts them, and a ledger line that adds up."""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import families
import pytest
import tiny
import torch
from families import Kit
from layouts import Layout
from torch.utils.flop_counter import FlopCounterMode

from lingshu_train import gpus
from lingshu_train.model.settings import Settings
from lingshu_train.model.shape import PARTS, Counted, Part
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.training import metering, operations
from lingshu_train.training.collate import IGNORED
from lingshu_train.training.metering import COUNTS, Meter, Peaks

CPU = torch.device("cpu")
SETTINGS = Settings.model_validate_json(json.dumps(tiny.MODEL))


@pytest.mark.parametrize("packing", [False, True])
def test_a_batch_is_counted_where_it_is_made(kit: Kit, packing: bool) -> None:
    rows = kit.rows()
    collate = kit.collator(rows, kit.model(), packing=packing)
    collate.counts = True
    data = rows.dataset(system="", whole=True)
    batch = collate([data[n] for n in range(4)])
    found = Counted(*batch.pop(COUNTS))
    lengths = rows.tokens(range(4))
    assert (found.samples, found.tokens) == (4, sum(lengths))
    assert found.squares == sum(length * length for length in lengths)
    assert found.places == batch["input_ids"].numel() == (sum(lengths) if packing else 4 * max(lengths))
    assert found.taught == sum(rows.stored([0, 1, 2, 3])[1])
    assert found.taught == int((batch["labels"] != IGNORED).sum())
    pictures = torch.isin(batch["input_ids"], torch.tensor(kit.processor.image_token_ids))
    assert found.image_tokens == int(pictures.sum()) > 0
    assert found.patches > 0 and found.patch_squares >= found.patches


def worked(kit: Kit, trains: tuple[Part, ...]) -> tuple[float, float]:
    """Operations of one step on a batch of pictures: as torch counts products with weights, and as the formula does."""
    model = kit.model(*trains, sharded=False)
    batch = kit.batches(count=3)["pictures"]
    with FlopCounterMode(display=False) as counter:
        loss = model(**batch, use_cache=False).loss
        loss.backward()
    seen: dict[Any, int] = counter.get_flop_counts()["Global"]
    products = sum(
        count for name, count in seen.items() if "attention" not in str(name) and "bmm" not in str(name)
    )
    lengths = batch["attention_mask"].sum(dim=1).tolist()
    patches = kit.family.patches(batch)
    places = batch["input_ids"].numel()
    # The plain head scores every place, and padding goes through every layer.
    counted = Counted(
        samples=3,
        tokens=places,
        places=places,
        taught=places,
        squares=sum(length**2 for length in lengths),
        patches=sum(patches),
        patch_squares=sum(each**2 for each in patches),
    )
    forward = kit.settings.shape.operations(counted)
    alone = {part: one._replace(attention=0.0) for part, one in forward.items()}
    return products, operations.of_step(alone, trains)


@pytest.mark.parametrize("trains", [PARTS, ("language_model",), ("vision_tower", "merger")])
def test_operations_are_those_that_torch_counts(trains: tuple[Part, ...], tmp_path: Path) -> None:
    kit = families.make("qwen2_5_vl", tmp_path)
    counted, computed = worked(kit, trains)
    assert computed == pytest.approx(counted, rel=0.03)


def test_a_family_that_says_nothing_has_no_operations_and_its_lines_no_utilisation() -> None:
    assert operations.of_step({}, PARTS) == 0.0


def test_the_meter_sums_what_it_was_given_and_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SETTINGS
    meter = Meter(shape=settings.shape, trains=PARTS, adapters=(), device=CPU, peak=1e12)
    batches: list[object] = [
        {COUNTS: metering.of_batch([4, 6], [1, 2], image_tokens=4, places=12, patches=[16])},
        {COUNTS: metering.of_batch([8], [3], image_tokens=0, places=8, patches=[])},
        [{"prompt": "a row of GRPO"}],
    ]
    with meter.loading():
        taken = meter.count(batches)
    assert taken == 18 and batches[:2] == [{}, {}]
    with meter.saving():
        pass
    found = meter.columns(2.0)
    assert found["samples_per_second"] == 1.5
    assert (found["text_tokens_per_second"], found["image_tokens_per_second"]) == (7.0, 2.0)
    assert found["padding"] == 0.1
    assert found["mfu"] == pytest.approx(found["tflops"], abs=1e-3)
    again = meter.columns(2.0)
    assert "samples_per_second" not in again and again["data_wait"] == again["save_seconds"] == 0.0


def test_a_step_that_is_left_out_counts_for_nothing() -> None:
    meter = Meter(shape=SETTINGS.shape, trains=PARTS, adapters=(), device=CPU)
    batch = {COUNTS: metering.of_batch([4], [1], image_tokens=0, places=4, patches=[])}
    assert meter.count([batch], left_out=True) == 0 and batch == {}
    assert "padding" not in meter.columns(1.0)


def test_the_peak_of_a_phase_is_its_own() -> None:
    peaks = Peaks(CPU)
    peaks.enter("large")
    # Pages of its own: a tensor may lie in what this process has had before.
    with mmap.mmap(-1, 64 * 2**20) as held:
        held.write(b"1" * (64 * 2**20))
    peaks.enter("small")
    found = peaks.take()
    if set(found) == {"process"}:
        pytest.skip("the kernel does not let this process forget a peak (proc(5), clear_refs)")
    assert found["large"] - found["small"] > 32 * 2**20


@pytest.mark.slow
def test_a_ledger_line_adds_up(straight: Callable[[Layout], Stage]) -> None:
    lines = ledger.steps(straight(("sft", 1, "none")).path)
    before = 0.0
    for line in lines:
        tokens = line["tokens"] - before
        before = line["tokens"]
        rate = line["text_tokens_per_second"] + line["image_tokens_per_second"]
        assert rate == pytest.approx(line["tokens_per_second"], rel=1e-2)
        assert 0 <= line["padding"] < 1 and line["samples_per_second"] > 0 and tokens > 0
        assert 0 <= line["data_wait"] <= line["seconds"] + 0.01 and line["tflops"] > 0
        assert any(key.startswith(ledger.MEMORY) for key in line)
        left = ledger.replayable(line)
        assert not {"padding", "data_wait", "tflops"} & set(left) and "loss" in left
        assert not any(key.startswith(ledger.MEMORY) for key in left)
    assert any(line["save_seconds"] for line in lines[1:]), json.dumps(lines[-1])


def test_a_card_is_known_by_what_its_driver_calls_it() -> None:
    found = {
        name: gpus.seen(name) for name in ("NVIDIA H100 80GB HBM3", "NVIDIA H200", "NVIDIA GeForce RTX 4090")
    }
    assert [card and card.name for card in found.values()] == ["H100", "H200", "RTX 4090"]
    assert gpus.seen("Tesla K80") is None
