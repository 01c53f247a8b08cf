"""A data card whose rows a stage of the run makes: name and licence are the card's, its data is what the stage left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import JsonValue

from lingshu_train.data.cards.card import Card, Split
from lingshu_train.data.cards.source import Source

_FIELDS: Mapping[str, Mapping[str, JsonValue]] = {
    "table": {
        "id": "id",
        "group": "group",
        "parents": "parents",
        "modality": "modality",
        "without_image": "kept",
    },
    "llava_conversations": {"group": "group", "parents": "parents"},
    "text_instruction": {"question": ["instruction", "input"], "answer": "output"},
}
"""Of each layout that made rows can be written in, the fields that the files have whatever card they stand for
(synthesize/_files.py)."""


def layouts() -> tuple[str, ...]:
    """Formats that made rows can be written in."""
    return tuple(_FIELDS)


def fields(card: Card, splits: Iterable[str]) -> dict[str, JsonValue]:
    """`fields` of the files that a stage writes for a card: a line of JSON a row, `SPLIT.jsonl` a split."""
    own = card.lingshu
    files: JsonValue = {split: f"{split}.jsonl" for split in splits}
    return {**own.fields, **_FIELDS[own.format], "files": files}


def standing_for(card: Card, folder: Path) -> Card:
    """The card with its data in `folder`, the `files` of a stage. What its publisher states of rows is said of others."""
    own = card.lingshu
    block = own.model_copy(
        update={
            "source": Source(kind="local", name=card.name, folder=str(folder.absolute())),
            "fields": fields(card, card.files),
            "variants": {},
            "splits": {split: Split(unverified=True) for split in card.files},
        }
    )
    return card.model_copy(update={"lingshu": block})
