"""What is proposed for a card, before the rows themselves are asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A card as it is proposed. `root`: the folder the data lies in, as a whole path. `files`: split -> pattern below it;
    one split "all" where rows are to be divided. `fields` are the format's others.

    `said`: label and text of what was found, for the user.
    `grouped`: rows of one patient are known to belong together.
    """

    name: str
    root: Path
    format: str
    files: Mapping[str, str]
    fields: Mapping[str, JsonValue]
    modality: str = ""
    language: str = "en"
    licence: str = ""
    grouped: bool = False
    said: tuple[tuple[str, str], ...] = ()


ALL = "all"
ORDER = ("train", "held_out", "test")


def with_held_out(splits: Iterable[str]) -> dict[str, str]:
    """What each split is called: `test` is held out where there is no other."""
    there = set(splits)
    return {split: "held_out" if split == "test" and "held_out" not in there else split for split in there}
