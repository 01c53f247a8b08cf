"""Python and the installed packages, against the ranges that this package states."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from lingshu_train.doctor.finding import Finding

OURS = "lingshu-train"
_SHOWN = ("transformers", "trl", "accelerate", "deepspeed", "datasets")
"""Of what is required, those whose versions one is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A requirement and what is installed of it (empty: nothing)."""

    name: str
    wanted: SpecifierSet
    version: str

    @property
    def fault(self) -> str:
        """Empty where it is installed in the supported range."""
        if not self.version:
            return f"{self.name} is not installed"
        if not self.wanted.contains(self.version, prereleases=True):
            return f"{self.name} {self.version} is outside {self.wanted}"
        return ""

    def __str__(self) -> str:
        return f"{self.name} {self.version or '–'}"


def findings() -> list[Finding]:
    """Python, the required packages, and the extras."""
    try:
        stated = metadata.requires(OURS) or []
        python = SpecifierSet(metadata.metadata(OURS)["Requires-Python"] or "")
    except metadata.PackageNotFoundError:
        advice = "install it with `pip install -e .` or from a wheel, so that versions can be checked"
        return [
            _python(SpecifierSet()),
            Finding(name=OURS, state="warn", told="is not installed", advice=advice),
        ]
    wanted = [Requirement(text) for text in stated]
    required = [_package(one) for one in wanted if one.marker is None]
    extras = sorted({extra for one in wanted if (extra := _extra(one))} - {"dev"})
    return [
        _python(python),
        _required(required),
        *(_optional(extra, [_package(one) for one in wanted if _extra(one) == extra]) for extra in extras),
    ]


def version(name: str) -> str:
    """Of an installed package; empty where there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _python(wanted: SpecifierSet) -> Finding:
    here = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {platform.release()}"
    if not wanted.contains(platform.python_version(), prereleases=True):
        return Finding(name="python", state="missing", told=here, advice=f"use a Python {wanted}")
    if platform.system() != "Linux":
        return Finding(name="python", state="warn", told=here, advice="only Linux is tried")
    return Finding(name="python", state="ok", told=here)


def _required(packages: Iterable[Package]) -> Finding:
    known = list(packages)
    faults = [one.fault for one in known if one.fault]
    if faults:
        advice = "install the versions of requirements.lock"
        return Finding(name="packages", state="missing", told=", ".join(faults), advice=advice)
    told = ", ".join(str(one) for one in known if one.name in _SHOWN)
    return Finding(name="packages", state="ok", told=f"{told}; all {len(known)} in the supported range")


def _optional(extra: str, packages: list[Package]) -> Finding:
    faults = [one.fault for one in packages if one.fault]
    told = ", ".join(map(str, packages))
    if not faults:
        return Finding(name=f"extra {extra}", state="ok", told=told)
    outside = [one.fault for one in packages if one.fault and one.version]
    return Finding(
        name=f"extra {extra}",
        state="warn" if outside else "missing",
        told=told + "".join(f"; {fault}" for fault in outside),
        advice=f'pip install "{OURS}[{extra}]" where a recipe needs it',
    )


def _package(wanted: Requirement) -> Package:
    return Package(name=wanted.name, wanted=wanted.specifier, version=version(wanted.name))


def _extra(wanted: Requirement) -> str:
    """The extra that a requirement belongs to; empty for none."""
    marker = str(wanted.marker or "")
    return marker.partition('extra == "')[2].partition('"')[0]
