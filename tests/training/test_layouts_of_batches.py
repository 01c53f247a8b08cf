"""How the samples of a step lie in its batches changes neither which they are nor what their gradient is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from families import gradients
from stock import Kit, make_kit

from lingshu_train.errors import RecipeError
from lingshu_train.model import parts
from lingshu_train.stages import _kinds as kinds
from lingshu_train.training.arranged import Arranged
from lingshu_train.training.feed import Rows

pytestmark = pytest.mark.slow


@pytest.fixture
def kit(base: Path, tmp_path: Path) -> Kit:
    return make_kit(base, tmp_path, corpus="data")


def batches(kit: Kit, model: Any, *, together: bool, per_batch: int, ranks: int = 1) -> list[dict[str, Any]]:
    """Those of the first step of eight samples."""
    items = Arranged(kit.rows, per_batch=per_batch, per_step=8, together=together)
    data = items.dataset(system="", whole=True)
    loaded = [data[items.row(n)] for n in range(8)]
    collate = kit.collator(model, packing=together)
    return [collate(loaded[start : start + per_batch]) for start in range(0, 8, per_batch)]


@pytest.mark.parametrize(("together", "per_batch"), [(True, 8), (True, 2), (False, 2)], ids=str)
def test_gradients_are_those_of_the_step_as_one_padded_batch(
    together: bool, per_batch: int, kit: Kit
) -> None:
    model = kit.model()
    parts.freeze_all_but(tiny.FAMILY, model, tiny.ALL_PARTS)
    items = kit.rows.dataset(system="", whole=True)
    whole = [kit.collator(model)([items[int(row)] for row in kit.rows.rows(0, 8)])]
    ours = batches(kit, model, together=together, per_batch=per_batch)
    expected, found = gradients(model, whole), gradients(model, ours)
    assert expected.keys() == found.keys() and len(expected) == len(list(model.parameters()))
    scale = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        assert (found[name] - gradient).abs().max() <= 1e-6 * scale, name
    tokens = sum(kit.rows.tokens(kit.rows.rows(0, 8).tolist()))
    laid = sum(batch["input_ids"].numel() for batch in ours)
    assert laid == tokens if together else tokens <= laid < whole[0]["input_ids"].numel()


@pytest.mark.parametrize("together", [False, True])
def test_every_step_has_the_samples_of_its_place_in_the_order(together: bool, kit: Kit) -> None:
    items = Arranged(kit.rows, per_batch=2, per_step=8, together=together)
    for step in range(6):
        places = range(8 * step, 8 * step + 8)
        assert sorted(items.row(n) for n in places) == sorted(kit.rows.rows(8 * step, 8 * step + 8).tolist())
    assert items.rows(3, 9).tolist() == kit.rows.rows(3, 9).tolist()
    assert [items.row(n) for n in range(8)] != kit.rows.rows(0, 8).tolist(), "nothing was moved"


def test_a_step_of_one_batch_is_in_the_order_of_the_mixture(kit: Kit) -> None:
    items = Arranged(kit.rows, per_batch=8, per_step=8, together=False)
    assert [items.row(n) for n in range(16)] == kit.rows.rows(0, 16).tolist()


def test_how_long_a_withdrawn_sample_was_moves_no_other(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = int(kit.rows.rows(0, 8)[2])
    monkeypatch.setattr(Rows, "gone", lambda _, rows: np.asarray(rows) == gone)
    plain = Rows.costs

    def dealt(tokens: int) -> list[int]:
        def costs(rows: Rows, numbers: Any) -> Any:
            found, patches = plain(rows, numbers)
            return np.where(np.asarray(numbers) == gone, tokens, found), patches

        monkeypatch.setattr(Rows, "costs", costs)
        items = Arranged(kit.rows, per_batch=2, per_step=8, together=True)
        return [items.row(n) for n in range(8)]

    assert dealt(1) == dealt(5000)


def test_older_records_say_packing_and_recipes_are_told_what_stands_for_it(
    base: Path, tmp_path: Path
) -> None:
    old = tiny.sft(packing=True)
    assert kinds.read(old, where="stages.x").layout == "packs"  # type: ignore[attr-defined]
    assert kinds.read({**old, "packing": False}, where="stages.x").layout == "padded"  # type: ignore[attr-defined]
    with pytest.raises(
        RecipeError, match=r"^stages\.x\.packing is layout now: packs for true, padded for false$"
    ):
        kinds.read({**old, "layout": "padded"}, where="stages.x")
    with pytest.raises(RecipeError, match=r"layout: must be 'padded', 'end_to_end' or 'packs', got 'packed'"):
        kinds.read(tiny.sft(layout="packed"), where="stages.x")


def test_a_stage_keeps_the_name_that_it_had_before_layouts(base: Path, tmp_path: Path) -> None:
    names = {
        layout: kinds.read(tiny.sft(layout=layout), where="x").naming
        for layout in ("padded", "packs", "end_to_end")
    }
    for layout, packing in (("padded", False), ("packs", True)):
        assert names[layout]["packing"] is packing and "layout" not in names[layout]
    assert names["end_to_end"] == {**names["padded"], "layout": "end_to_end"}
