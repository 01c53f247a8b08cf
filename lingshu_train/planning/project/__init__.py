"""Makes a project: a folder in which one runs lingshu, with a first recipe, and closed to git but for recipes.

The files of a new project lie beside this one. What a project's cards and runs hold is made by other rooms.
"""

from __future__ import annotations

import shlex
from importlib import resources
from pathlib import Path

from lingshu_train import environment
from lingshu_train.errors import CannotCreate

FILES = {".gitignore": "gitignore.txt", "README.md": "README.md", "first.yaml": "first.yaml"}
"""File of a project -> the file beside this one that it is a copy of."""
FOLDERS = ("data", "data_cards")


def make(folder: Path) -> str:
    """Make `folder` a project and say what to do next. CannotCreate (73): it would overwrite a file, or cannot write.

    Nothing that is there is touched: a folder that holds data already may become a project.
    """
    for name in FILES:
        if (folder / name).exists() or (folder / name).is_symlink():
            raise CannotCreate(
                f"{folder / name}: is there already, and init overwrites nothing; name a folder without it"
            )
    for name in FOLDERS:
        if (folder / name).exists() and not (folder / name).is_dir():
            raise CannotCreate(f"{folder / name}: is no folder, and a project needs one of this name")
    written: list[Path] = []
    try:
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        for name, source in FILES.items():
            with (folder / name).open("x", encoding="utf-8") as stream:
                written.append(folder / name)
                stream.write(resources.files(__name__).joinpath(source).read_text(encoding="utf-8"))
    except OSError as fault:
        for path in written:
            path.unlink(missing_ok=True)
        raise CannotCreate(f"{folder}: {fault.strerror}; name a folder that can be written") from None
    return _next(folder)


def _next(folder: Path) -> str:
    place = environment.near(folder)
    enter = "" if place == Path() else f"cd {shlex.quote(str(place))}\n  "
    return (
        f"{folder}: a project, with {', '.join((*FILES, *(f'{name}/' for name in FOLDERS)))}\n"
        "git sees its recipes (*.yaml) and its README.md, and nothing else: no data, no cards, no runs\n"
        f"next:\n  {enter}lingshu plan first.yaml\n  lingshu run first.yaml\n  lingshu data add FILE"
    )
