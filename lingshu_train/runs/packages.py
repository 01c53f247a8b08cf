"""Which Python packages were installed where a stage ran, with the licence that each states: the parts list of a run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from typing import Protocol

from lingshu_train.schema import Strict

_LONGEST = 60
"""Characters of a licence's name. Some packages put the whole text into the field."""
_CLASSIFIER = "License :: "


class Package(Strict):
    """One installed distribution. `licence` is what its own metadata states, unread by us; empty where it states none."""

    version: str
    licence: str = ""


class _Metadata(Protocol):
    """What is read of a distribution's metadata."""

    def get_all(self, name: str) -> list[str] | None: ...


@lru_cache(maxsize=1)
def installed() -> Mapping[str, Package]:
    """Every distribution that this process could import, by its normalized name. Read once, since each has a file of its own.

    Of two with one name the first on the path counts, as it does for an import.
    """
    found: dict[str, Package] = {}
    for one in metadata.distributions():
        told = _Told(one.metadata)
        if told.name:
            found.setdefault(told.name, Package(version=told.version, licence=told.licence))
    return dict(sorted(found.items()))


class _Told:
    """The few lines of a distribution's metadata that are kept. A broken distribution has none of them."""

    def __init__(self, lines: _Metadata) -> None:
        self._lines = lines

    @property
    def name(self) -> str:
        """As PEP 503 normalizes it, so that one package has one name."""
        return "-".join(
            part
            for part in self._first("Name").lower().replace("_", "-").replace(".", "-").split("-")
            if part
        )

    @property
    def version(self) -> str:
        return self._first("Version")

    @property
    def licence(self) -> str:
        """The SPDX expression (PEP 639), else the field where it is a name and not a text, else the classifiers."""
        stated = self._first("License")
        named = stated if len(stated) <= _LONGEST and "\n" not in stated and stated != "UNKNOWN" else ""
        classes = [one for one in self._lines.get_all("Classifier") or () if one.startswith(_CLASSIFIER)]
        return (
            self._first("License-Expression")
            or named
            or ", ".join(one.rpartition(" :: ")[2] for one in classes)
        )

    def _first(self, key: str) -> str:
        return (self._lines.get_all(key) or [""])[0].strip()
