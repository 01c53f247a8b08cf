"""Prompts as files: `prompts/NAME.md`, a heading a part, {slots} in it. Their hash is part of what names a stage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lingshu_train.naming import digest

_FOLDER = Path(__file__).with_name("prompts")
_SLOT = re.compile(r"\{(\w+)\}")
_PART = re.compile(r"^## ([\w-]+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """The prompts of a pipeline by the names of their parts. `digest`: sha256 of all of them."""

    name: str
    version: int
    parts: Mapping[str, str]
    digest: str

    def fill(self, part: str, **slots: str) -> str:
        """A part with its slots filled. What fills one is data: nothing in it is a slot."""
        return _SLOT.sub(lambda slot: slots[slot[1]], self.parts[part])


@lru_cache(maxsize=64)
def read(name: str, folder: Path = _FOLDER) -> Prompts:
    """The file `NAME.md`: a first line `version: N`, then parts."""
    text = (folder / f"{name}.md").read_text(encoding="utf-8")
    head, *rest = _PART.split(text)
    parts = {part: body.strip() for part, body in zip(rest[::2], rest[1::2], strict=True)}
    version = re.search(r"^version: (\d+)$", head, re.MULTILINE)
    assert version is not None, f"{name}.md has no line `version: N`"
    return Prompts(name=name, version=int(version[1]), parts=parts, digest=digest(parts))
