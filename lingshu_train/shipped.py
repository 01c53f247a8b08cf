"""Where the files lie that the project brings along and that are no Python: recipes, data cards, launch files.

In a checkout they are folders of the top level, beside the package; in a wheel the same folders lie in the package.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_IN_A_WHEEL = _PACKAGE / "_shipped"


def folder(name: str) -> Path:
    """The folder `recipes`, `data_cards` or `launch`, wherever this package was installed from."""
    return (_IN_A_WHEEL if _IN_A_WHEEL.is_dir() else _PACKAGE.parent) / name


def checkout() -> Path | None:
    """The folder of the checkout that the package runs from; None for an installed package."""
    return None if _IN_A_WHEEL.is_dir() else _PACKAGE.parent
