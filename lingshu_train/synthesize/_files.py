"""A made corpus as files that a card describes: a line of JSON a row, pictures below `images`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO

from pydantic import JsonValue

from lingshu_train.data import chat
from lingshu_train.data.cards.card import Card
from lingshu_train.data.corpus import corpus
from lingshu_train.data.corpus.records import Location
from lingshu_train.record import IMAGE_MARK, Sample
from lingshu_train.synthesize._writing import ending

IMAGES = "images"
_TOGETHER = 1_000


def write(found: corpus.Corpus, folder: Path, card: Card) -> None:
    """Each split as `SPLIT.jsonl`, in the format of the card."""
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    open_files: dict[str, IO[str]] = {}
    try:
        for start in range(0, found.total, _TOGETHER):
            for sample, places in found.stretch(start, min(start + _TOGETHER, found.total)):
                names = [_picture(found, place, folder) for place in places]
                if sample.split not in open_files:
                    open_files[sample.split] = (folder / f"{sample.split}.jsonl").open("w", encoding="utf-8")
                line = json.dumps(_line(sample, names, card), ensure_ascii=False)
                open_files[sample.split].write(line + "\n")
    finally:
        for each in open_files.values():
            each.close()


def _picture(found: corpus.Corpus, place: Location, folder: Path) -> str:
    data = found.encoded(place, owner=f"image {place.digest[:12]}")
    name = f"{place.digest}{ending(data)}"
    path = folder / IMAGES / name
    if not path.exists():
        path.write_bytes(data)
    return name


def _line(sample: Sample, pictures: list[str], card: Card) -> dict[str, JsonValue]:
    about: dict[str, JsonValue] = {
        "id": sample.id.rpartition("/")[2],
        "group": sample.group or sample.id,
        "parents": list(sample.parents),
        "modality": sample.modality,
        "answer_type": sample.question_type,
    }
    shown: dict[str, JsonValue] = {"image": list(pictures) if len(pictures) != 1 else pictures[0]}
    if card.lingshu.format == "llava_conversations":
        marks = IMAGE_MARK * (len(pictures) - chat.marks(sample))
        asked, said = f"{marks}{chat.question(sample)}", chat.target(sample)
        turns: list[JsonValue] = [{"from": "human", "value": asked}, {"from": "gpt", "value": said}]
        return {**about, **(shown if pictures else {}), "conversations": turns}
    if card.lingshu.format == "text_instruction":
        own: dict[str, JsonValue] = {
            "instruction": chat.question(sample),
            "input": "",
            "output": sample.answer,
        }
        return {**about, **own, "reasoning": sample.reasoning}
    chosen = bool(card.lingshu.fields.get("options"))
    return {
        **about,
        **shown,
        "question": sample.question if chosen else chat.question(sample),
        **({"options": dict(sample.options)} if chosen else {}),
        "reasoning": sample.reasoning,
        "answer": sample.answer,
    }
