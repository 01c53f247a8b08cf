"""Of a machine's ranks one brings the published model there; whoever has nothing to open asks nobody."""

from __future__ import annotations

import pytest
import tiny

from lingshu_train import dist
from lingshu_train.hub import base
from lingshu_train.model.settings import Settings
from lingshu_train.running import worker
from lingshu_train.stages import _kinds as kinds

SETTINGS = Settings.model_validate({**tiny.MODEL, "base": "owner/model"})


@pytest.mark.parametrize(
    ("opens", "rank", "local_rank", "world", "asked"),
    [
        (True, 0, 0, 16, True),
        (True, 8, 0, 16, True),
        (True, 9, 1, 16, False),
        (False, 8, 0, 16, False),
        (True, 0, 0, 1, False),
    ],
)
def test_the_first_rank_of_each_machine_brings_the_model_and_the_others_wait(
    opens: bool, rank: int, local_rank: int, world: int, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(dist, "place", lambda: dist.Place(rank, local_rank, world))
    monkeypatch.setattr(dist, "barrier", lambda: order.append("barrier"))
    monkeypatch.setattr(base, "need", lambda settings, say: order.append(settings.base))
    config = kinds.read(tiny.sft(base="" if opens else "base"), where="stages.sft")
    worker._bring_base(config, SETTINGS)
    waits = opens and world > 1
    assert order == ([SETTINGS.base] if asked else []) + (["barrier"] if waits else [])


def test_where_a_key_is_named_a_lone_process_checks_the_model_too(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setenv("LINGSHU_BASE_KEY", "author.pub")
    monkeypatch.setattr(base, "need", lambda settings, say: order.append(settings.base))
    blocks = {
        "opens": tiny.sft(base=""),
        "adapter": {"kind": "export", "model": "opens", "adapter": True},
        "counts": {"kind": "prepare", "cards": ["package_pydicom"]},
        "none": tiny.sft(base="base"),
        "whole": {"kind": "export", "model": "opens"},
    }
    for name, block in blocks.items():
        before = len(order)
        worker._bring_base(kinds.read(block, where=f"stages.{name}"), SETTINGS)
        assert len(order) - before == (name in ("opens", "adapter", "counts")), name
