"""Where data cards lie: folders of the user's own, `data_cards/` of the working folder, and those that come with lingshu."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from lingshu_train import environment, shipped
from lingshu_train.errors import MissingInput, RecipeError

NAME = "data_cards"
SHIPPED = shipped.folder(NAME)


def path() -> tuple[Path, ...]:
    """The folders in which a card is looked for, in this order, each once. MissingInput: a named one is not there."""
    named = environment.cards()
    for folder in named:
        if not folder.is_dir():
            raise MissingInput(f"{folder}: no such folder of data cards; --cards or LINGSHU_CARDS names it")
    here = Path(NAME).absolute()
    found = (*named, *([here] if here.is_dir() else ()), SHIPPED)
    once: dict[Path, Path] = {}
    for folder in found:
        once.setdefault(folder.resolve(), folder)
    return tuple(once.values())


def names() -> list[str]:
    """Every card's name: those of own folders first, each folder's in the order of the alphabet."""
    return list(dict.fromkeys(name for folder in path() for name in within(folder)))


def within(folder: Path) -> list[str]:
    """The names of the cards of one folder, sorted."""
    return sorted(file.stem for file in folder.glob("*.md") if file.is_file() or file.is_symlink())


def find(name: str) -> Path | None:
    """The file of a card; None where there is none.

    RecipeError (78): two folders have different cards of this name. MissingInput (66): the card is a link to nothing.
    """
    there = [folder / f"{name}.md" for folder in path()]
    for file in there:
        # Of os.path, which takes a name that is too long for a file as one that is not there.
        if os.path.islink(file) and not os.path.exists(file):
            raise MissingInput(f"{environment.near(file)}: a link to a file that is not there")
    files = [file for file in there if os.path.isfile(file)]
    for other in files[1:]:
        if other.read_bytes() != files[0].read_bytes():
            raise RecipeError(
                f"{environment.near(files[0])}: there is another card {name!r} in {environment.near(other.parent)}; "
                "give yours another name"
            )
    return files[0] if files else None


def option(file: Path) -> str:
    """What a command in this folder must be given to find a card: nothing, or ` --cards FOLDER`."""
    folder = file.resolve().parent
    if folder in (SHIPPED.resolve(), Path(NAME).resolve()):
        return ""
    return f" --cards {shlex.quote(str(environment.near(file.parent)))}"


def own(file: Path) -> bool:
    """Whether a card is the user's, not one that comes with lingshu."""
    return file.resolve().parent != SHIPPED.resolve()
