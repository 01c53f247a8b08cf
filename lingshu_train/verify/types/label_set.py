"""A set of finding labels: right when the whole set equals the gold's; `f1` is for evaluation only."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lingshu_train.verify.gold import GoldAnswer, GoldError, Ruling
from lingshu_train.verify.item import Key
from lingshu_train.verify.text import canon, cues
from lingshu_train.verify.text.json_list import json_list
from lingshu_train.verify.text.leads import without_lead_in
from lingshu_train.verify.text.normal import clean, strip_edges

_SEPARATOR = re.compile(r"[,;|\n]|,? and |、|和|以及")


@dataclass(frozen=True, slots=True)
class Gold(GoldAnswer):
    """Canonical labels of the gold answer and of its aliases (each alias is another whole set)."""

    labels: frozenset[str]
    others: frozenset[frozenset[str]]

    def judge(self, text: str) -> Ruling:
        labels = read(text)
        if labels is None or cues.hedges(text):
            return Ruling("hedged" if cues.hedges(text) else "unreadable", "label_set.none")
        right = labels == self.labels or labels in self.others
        return Ruling("right" if right else "wrong", "label_set.exact", ", ".join(sorted(labels)))


def prepare(item: Key) -> Gold:
    labels = read(clean(item.answer))
    if labels is None:
        raise GoldError(f"answer {item.answer!r} is not a list of different labels")
    others = [found for alias in item.aliases if (found := read(clean(alias)))]
    return Gold(labels, frozenset(others))


def read(text: str) -> frozenset[str] | None:
    """Canonical labels of a list; None where a part is empty or repeated."""
    text = strip_edges(without_lead_in(text, statements=True))
    items = json_list(text) if text.startswith("[") else None
    parts = [canon.key(clean(part)) for part in (items or _SEPARATOR.split(text))]
    if not parts or not all(parts) or len(set(parts)) != len(parts):
        return None
    return frozenset(parts)


def overlap(text: str, answer: str) -> float:
    """F1 of the labels in an answer's text against the gold's; 0 where the text is no list of labels."""
    predicted, gold = read(clean(text)) if text else None, read(clean(answer))
    return f1(predicted, gold) if predicted is not None and gold is not None else 0.0


def f1(predicted: frozenset[str], gold: frozenset[str]) -> float:
    """F1 of two label sets; 1 for two empty sets."""
    if not predicted and not gold:
        return 1.0
    return 2 * len(predicted & gold) / (len(predicted) + len(gold))
