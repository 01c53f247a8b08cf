"""How some pictures look: sizes, bits, windows, transparency, and which are not there or cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lingshu_train import vocabulary
from lingshu_train.data.images.facts import Facts, facts
from lingshu_train.data.rows.row import Picture
from lingshu_train.errors import DataError, MissingInput

LOOKED = 200
"""Pictures that are looked at, spread over the set. Each is decoded later, when the card is tried."""

SMALL = 32
"""Pixels of a side that is worth a word: models see pictures in squares of about this side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What was seen of `looked` pictures out of `total`. `deep`: grey of more than 8 bits whose file states no window.

    `faults`: why some cannot be read, each in a line.
    """

    total: int
    looked: int
    seen: tuple[Facts, ...]
    faults: tuple[str, ...]

    @property
    def deep(self) -> int:
        return sum(not one.windowed for one in self.seen)

    @property
    def modality(self) -> str:
        """The vocabulary's word, where the files agree on one; DICOM says it."""
        words = {vocabulary.modality(one.modality) for one in self.seen}
        word = words.pop() if len(words) == 1 else ""
        return word if word in vocabulary.MODALITIES else ""

    @property
    def patients(self) -> int:
        """Patients that the headers name."""
        return len({one.patient for one in self.seen if one.patient})

    def lines(self) -> list[str]:
        """For a reader."""
        if not self.seen:
            return []
        kinds = Counter(
            f"{one.bits}-bit {'colour' if one.colour else 'grey'}{' DICOM' if one.kind == 'dicom' else ''}"
            for one in self.seen
        )
        sides = [side for one in self.seen for side in (one.width, one.height)]
        smallest = min(self.seen, key=lambda one: one.width * one.height)
        largest = max(self.seen, key=lambda one: one.width * one.height)
        sizes = f"{smallest.width} x {smallest.height}"
        if (largest.width, largest.height) != (smallest.width, smallest.height):
            sizes += f" to {largest.width} x {largest.height}"
        shown = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())
        found = [f"{self.looked:,} of {self.total:,} looked at: {shown}; {sizes} pixels"]
        clear = sum(one.transparent for one in self.seen)
        if clear:
            found.append(f"{clear:,} have transparent parts, which are laid on one colour (docs/data.md)")
        if min(sides) < SMALL:
            found.append(f"the smallest side is {min(sides)} pixels, on which a model sees next to nothing")
        clips = sum(one.frames > 1 for one in self.seen)
        if clips:
            found.append(f"{clips:,} hold several frames, of which the first is taken")
        return found


def look(pictures: Sequence[Picture]) -> Looks:
    """Look at up to LOOKED of the pictures, the same ones each time."""
    once = list({picture.path or picture.digest(): picture for picture in pictures}.values())
    step = max(1, len(once) / LOOKED)
    chosen = [once[int(place * step)] for place in range(min(len(once), LOOKED))]
    seen: list[Facts] = []
    faults: list[str] = []
    for picture in chosen:
        try:
            seen.append(facts(picture.path, data=picture.data) if picture.path else _bytes(picture))
        except (DataError, MissingInput) as fault:
            faults.append(str(fault))
    return Looks(total=len(once), looked=len(chosen), seen=tuple(seen), faults=tuple(faults))


def _bytes(picture: Picture) -> Facts:
    from pathlib import Path

    return facts(Path(picture.name), data=picture.data)
