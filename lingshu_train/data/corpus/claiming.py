"""Who may write a corpus where: `--out` names a new folder, or one in which the same corpus was begun."""

from __future__ import annotations

import os
from pathlib import Path

from lingshu_train.data.corpus import preparing
from lingshu_train.data.corpus.specification import Specification
from lingshu_train.documents import read_text
from lingshu_train.errors import CannotCreate, UsageError
from lingshu_train.runs.files import failure, write_text

CLAIM = ".corpus-of"
"""In the folder: the name of the corpus that is written there, which ends in a hash of all that determines it."""
ELSEWHERE = "choose another folder with --out FOLDER"


def claim(folder: Path, wanted: Specification) -> Path:
    """Take `folder` for the corpus `wanted`, also where it was begun there before; returns it.

    UsageError (64) where the folder lies in data that is read. CannotCreate (73) where it is a file, holds something else,
    or cannot be written: nothing in it is touched then.
    """
    preparing.refuse(wanted)
    _refuse_inputs(folder, wanted)
    if folder.exists() and not folder.is_dir():
        raise CannotCreate(f"{folder}: is a file; {ELSEWHERE}")
    name, there = preparing.name(wanted), folder / CLAIM
    try:
        held = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        if CLAIM in held:
            other = read_text(there).strip()
            if other != name:
                raise CannotCreate(f"{folder}: holds another corpus, {other}; {ELSEWHERE}")
            return folder
        if held:
            raise CannotCreate(
                f"{folder}: not empty, and not this corpus (holds {', '.join(held[:3])}); {ELSEWHERE}"
            )
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise failure(folder, fault, instead=ELSEWHERE) from None
    write_text(there, name + "\n")
    return folder


def _refuse_inputs(folder: Path, wanted: Specification) -> None:
    place, data_root = Path(os.path.realpath(folder)), os.path.realpath(wanted.data_root)
    for card in wanted.loaded():
        root = os.path.realpath(wanted.folder(card))
        # A card may say that its data lies in the data folder itself, where corpora go too.
        if root != data_root and place.is_relative_to(root):
            raise UsageError(f"--out {folder}: lies in the data of {card.name}, which is read; {ELSEWHERE}")
