"""Samples of many pictures, slices of a drawn volume, in every family: prepared and counted, trained on, asked with rewards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from corpora import specification
from families import Kit, carry_out
from format_files import card_of, nifti, put

from lingshu_train.data.cards import card as cards
from lingshu_train.data.corpus import corpus, preparing
from lingshu_train.data.corpus.summary import Summary
from lingshu_train.model.shape import PARTS
from lingshu_train.runs import ledger

SLICES, ROWS = 3, 8


def prepared(kit: Kit, folder: Path) -> Summary:
    """A corpus of rows with a volume each, whose slices are 100 x 64 pixels: several tiles, where a family has such. One row
    names a slice that is not there, and one shows two volumes."""
    draw = np.random.default_rng(0)
    rows = []
    for number in range(ROWS):
        voxels = draw.integers(0, 60, (100, 64, 12), dtype=np.int16)
        voxels[20:40, 20:40, :] = 200 * (number % 2)
        nifti(folder / f"{number}.nii.gz", voxels)
        row = {
            "id": str(number),
            "question": "Is there a bright spot?",
            "answer": "yes" if number % 2 else "no",
        }
        rows.append(row | {"image": f"{number}.nii.gz", "shown": [1, 6, 12]})
    rows.append(rows[0] | {"id": "gone", "shown": [13]})
    rows.append(rows[0] | {"id": "two", "image": ["0.nii.gz", "1.nii.gz"]})
    put(folder / "rows.jsonl", "\n".join(map(json.dumps, rows)))
    fields: dict[str, Any] = {
        "files": {"train": "rows.jsonl"},
        "image": "image",
        "id": "id",
        "window": [127.5, 255],
    }
    fields |= {"volume": {"key": "shown", "most": SLICES}, "most_pictures": SLICES}
    known = card_of("table", fields).model_copy(update={"name": "volumes"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cards, "load", lambda name, **_: known)
        patch.setattr(cards, "root", lambda card, data_root: folder)
        model = kit.settings
        wanted = specification(
            folder,
            cards=("volumes",),
            budget=model.budget,
            control=model.shape.control,
            context=model.shape.context,
        )
        return preparing.prepare(folder / "corpus", wanted, workers=1, most_refused=0.5)


@pytest.fixture(scope="module")
def volumes(kit: Kit) -> Iterator[tuple[Kit, Summary]]:
    found = prepared(kit, kit.root / "volumes")
    stage = tiny.make_stage(
        kit.root, "volumes", {"kind": "prepare", "cards": ["package_pydicom"]}, parents={}
    )
    tiny.finish(stage, outputs=["corpus"])
    yield kit, found


def test_rows_are_kept_with_all_their_slices_and_the_others_are_counted(volumes: tuple[Kit, Summary]) -> None:
    kit, summary = volumes
    assert summary.samples == ROWS
    assert summary.refused == {
        "volume": 1,
        "most_pictures": 1,
    }
    read = corpus.load(kit.root / "volumes" / "corpus")
    sample = read.sample(0)
    assert sample.question.splitlines()[:2] == ["slice 1 of 12: <image>", "slice 6 of 12: <image>"]
    assert [one.size for one in read.pictures(0)] == [(100, 64)] * SLICES or kit.settings.budget.grid > 1


def sft(layout: str) -> dict[str, object]:
    return {
        "kind": "sft",
        "base": "base",
        "data": [{"corpus": "volumes"}],
        "train": list(PARTS),
        "learning_rate": dict.fromkeys(PARTS, 1e-2),
        "steps": 1,
        "per_device_batch": ROWS if layout == "padded" else 1,
        "max_length": 4096,
        "layout": layout,
        "save_every": 1,
    }


@pytest.mark.slow
def test_padded_and_packed_learn_the_same_of_them(volumes: tuple[Kit, Summary]) -> None:
    kit, _ = volumes
    losses = {}
    for layout in ("padded", "packs"):
        stage = kit.stage(f"slices_{layout}", sft(layout), "volumes", "base")
        assert carry_out(stage)["left_out_as_too_long"] == {"volumes": 0}
        losses[layout] = ledger.steps(stage.path)[0]["loss"]
    assert losses["packs"] == pytest.approx(losses["padded"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("draws", [1, 2])
def test_rewards_are_learned_from_completions_about_them(draws: int, volumes: tuple[Kit, Summary]) -> None:
    kit, _ = volumes
    config: dict[str, Any] = {
        "kind": "grpo",
        "base": "base",
        "data": [{"corpus": "volumes"}],
        "train": list(PARTS),
        "learning_rate": dict.fromkeys(PARTS, 1e-2),
        "rewards": {"mode": "sum", "terms": [{"name": "format"}]},
        "steps": 2,
        "group_size": 2,
        "rollout_prompts": 4,
        "update_prompts": 2,
        "per_device_batch": 2,
        "max_completion": 4,
        "save_every": 2,
        "kl_coefficient": 0.04,
    } | ({"dynamic_sampling": {"most_draws": draws}} if draws > 1 else {})
    stage = kit.stage(f"rewarded_{draws}", config, "volumes", "base")
    carry_out(stage)
    assert len(ledger.steps(stage.path)) == 2
