"""From files and what is said of them to a proposal."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from lingshu_train import environment, vocabulary
from lingshu_train.data.adding import classes, names, sniff, tables
from lingshu_train.data.adding.proposal import Proposal
from lingshu_train.data.adding.sniff import Table
from lingshu_train.data.adding.told import Told, Unclear


def propose(path: Path, told: Told) -> Proposal:
    """What the files are, in the words of a card. Unclear: something must be said first. DataError: they cannot be added."""
    told.check()
    path = _plain(path)
    told = told if told.images is None else replace(told, images=_plain(told.images))
    name = _name(path, told)
    found = sniff.look(path, encoding=told.encoding, delimiter=told.delimiter)
    made = tables.of_table(found, told) if isinstance(found, Table) else classes.of_classes(found, told)
    return replace(
        made,
        name=name,
        licence=told.licence or "internal",
        modality=vocabulary.modality(told.modality) or made.modality,
    )


def _plain(path: Path) -> Path:
    """Without `..`, so that a card holds the folder's own path. Links stay as they are."""
    return environment.near(Path(os.path.abspath(path)))


def _name(path: Path, told: Told) -> str:
    plain = re.sub(
        r"[^a-z0-9]+", "_", names.spelt(path.absolute().stem if path.is_file() else path.absolute().name)
    )
    name = told.name or plain.strip("_")
    if not name:
        raise Unclear("name", f"{path}: no name can be made of this file's")
    return name
