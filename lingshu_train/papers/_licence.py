"""A licence as CycloneDX wants it: an SPDX id or expression where it is one, else the name that its owner gives it."""

from __future__ import annotations

import re

from pydantic import JsonValue

SPDX = frozenset(
    [
        *("0BSD", "AFL-2.1", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause"),
        *("BSL-1.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-NC-3.0", "CC-BY-NC-4.0"),
        *("CC-BY-NC-ND-3.0", "CC-BY-NC-ND-4.0", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0"),
        *("CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC0-1.0", "CNRI-Python", "GPL-2.0-only"),
        *("GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "HPND", "ISC"),
        *("LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT"),
        *("MIT-CMU", "MPL-2.0", "ODC-By-1.0", "ODbL-1.0", "PSF-2.0"),
        *("Python-2.0", "Unlicense", "Zlib"),
    ]
)
"""Those of SPDX's identifiers that packages and data cards of this project's users have; another one is told by name."""
NAMES = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License, 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License 2.0": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "ISC license": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""Names that mean one licence of SPDX and no other. `BSD` and `Apache` alone do not say which."""
_WORD = re.compile(r"\(|\)|\bAND\b|\bOR\b|\bWITH\b")


def licences(stated: str) -> list[JsonValue]:
    """The value of a component's `licenses`; empty where nothing is stated."""
    name = NAMES.get(stated, stated)
    if not name:
        return []
    if name in SPDX:
        return [{"license": {"id": name}}]
    parts = _WORD.split(name)
    if len(parts) > 1 and all(
        part.strip() in SPDX or part.strip().endswith("-exception") for part in parts if part.strip()
    ):
        return [{"expression": name}]
    return [{"license": {"name": name}}]
