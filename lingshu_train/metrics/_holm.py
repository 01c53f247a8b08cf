"""Several tests at one level together."""

from __future__ import annotations

from collections.abc import Mapping

LEVEL = 0.05


def holm(p: Mapping[str, float]) -> frozenset[str]:
    """The tests that hold below 5 % over all of them (Holm 1979): from the smallest p on, each against what is left of the
    level, up to the first that fails."""
    passed: set[str] = set()
    for place, (name, value) in enumerate(sorted(p.items(), key=lambda entry: entry[1])):
        if value > LEVEL / (len(p) - place):
            break
        passed.add(name)
    return frozenset(passed)
