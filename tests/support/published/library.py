"""The data of many cards in one data root, each fetched from its own publisher on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from lingshu_train.data.cards import card as cards
from lingshu_train.hub import fetch
from published import serving
from published.tree import Served


def stocked(names: Iterable[str], root: Path, patch: pytest.MonkeyPatch) -> Path:
    """`root`/data with the data of all these cards. Cards state nothing of the real files from here on (`as_served`)."""
    writers = {one.name: one.write for one in serving.publishers()}
    real = cards.load
    patch.setattr(cards, "load", lambda *args, **more: serving.as_served(real(*args, **more)))
    for name in names:
        card, served = cards.load(name), Served(root / "served" / name)
        writers[name](served)
        if (by_hand := served.by_hand().root).is_dir():
            shutil.copytree(by_hand, card.folder(root / "data"), dirs_exist_ok=True)
        if (beside := served.root / "beside").is_dir():
            shutil.copytree(beside, root / "data", dirs_exist_ok=True)
        with serving.serving(card, served.root, patch):
            outcome = fetch.fetch(card, root / "data", say=lambda line: None)
        assert not outcome.left, (name, [str(fault) for fault in outcome.left])
    return root / "data"
