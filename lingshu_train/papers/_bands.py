"""How much training data there was, in the size ranges of the AI Act's template."""

from __future__ import annotations

from collections.abc import Sequence

from lingshu_train.papers._form import Answer, partly, told
from lingshu_train.papers._known import Known, Source

TEXT = (10**9, "Less than 1 billion tokens")
"""The template's first range of text, and where it ends."""
IMAGES = ((10**6, "Less than 1 million images"), (10**9, "1 million to 1 billion images"))
MORE_IMAGES = "More than 1 billion images"
LARGE = 0.03
"""Share of a modality's publicly available data from which the template wants a dataset listed by name."""


def text(known: Known) -> Answer:
    """A token of a byte-level tokenizer has a byte or more, so that bytes bound tokens from above."""
    if known.uncounted:
        return partly(f"Not counted: {known.uncounted}.")
    size = sum(one.text for one in known.counted.values())
    end, name = TEXT
    if size < end:
        return told(f"{name}: {size:,} bytes of text (UTF-8), and a token has at least one byte.")
    return told(
        f"In another unit of measure, as the template allows: {size / 10**9:,.1f} GB of text (UTF-8)."
    )


def images(known: Known) -> Answer:
    if known.uncounted:
        return partly(f"Not counted: {known.uncounted}.")
    name = next((name for end, name in IMAGES if known.pictures < end), MORE_IMAGES)
    return told(f"{name}: {known.pictures:,} different pictures, as they are stored.")


def large(known: Known, among: Sequence[Source]) -> list[Source]:
    """Those that make up more than `LARGE` of the text or of the pictures of all of them."""
    return [one for one in among if _share(known, one, among) > LARGE]


def _share(known: Known, one: Source, among: Sequence[Source]) -> float:
    """The larger of its shares of text and of pictures."""
    found = [known.counted[each.name] for each in among if each.name in known.counted]
    mine = known.counted.get(one.name)
    if mine is None:
        return 0.0
    size, pictures = sum(each.text for each in found), sum(each.pictures for each in found)
    return max(mine.text / size if size else 0.0, mine.pictures / pictures if pictures else 0.0)


def modalities(known: Known, named: Sequence[Source]) -> Answer:
    """Text, Image, or both."""
    if known.uncounted:
        return partly(*(f"{one.name}: {', '.join(one.card.lingshu.modality)}" for one in named if one.card))
    found = [known.counted[one.name] for one in named if one.name in known.counted]
    kinds = [("Text", any(one.text for one in found)), ("Image", any(one.pictures for one in found))]
    there = ", ".join(name for name, some in kinds if some)
    return told(f"{there}." if there else "")
