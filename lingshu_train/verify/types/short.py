"""A short phrase: its canonical form equals that of the gold answer or of an alias. No substring."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from lingshu_train.verify.gold import GoldAnswer, GoldError, Reads, Ruling
from lingshu_train.verify.item import Key
from lingshu_train.verify.text import canon, cues
from lingshu_train.verify.text.leads import without_lead_in
from lingshu_train.verify.text.normal import clean, strip_edges

_BRACKET = re.compile(r"^([^()\[\]]+)[(\[]([^()\[\]]+)[)\]]$")
_SEPARATOR = re.compile(r",? and |,? & |[,;]|和|与|及")
_ASKS_NUMBER = re.compile(
    r"\b(?:what|which) (?:[a-z]+ )?(vitamin|stage|grade|type|lead|level|class|zone|segment|group|phase|factor)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[ivx]{1,4}[a-c]?|[a-z]?[0-9]{1,3}[a-c]?|[a-k]", re.IGNORECASE)
_COPULA = re.compile(r" (?:is|are|was) |: ?")


@dataclass(frozen=True, slots=True)
class Gold(GoldAnswer):
    """Every accepted canonical form; for a list, the set of its parts as well."""

    reads: ClassVar[Reads] = "words"
    main: str
    forms_given: tuple[str, ...]
    keys: frozenset[str]
    lists: frozenset[frozenset[str]]
    question: str
    label_words: frozenset[str]
    # What a question asks the number of, where the gold begins with it: the stage of "What stage", "stage III".
    noun: str = ""

    def judge(self, text: str) -> Ruling:
        key = canon.key(text)
        if key in self.keys:
            return Ruling("right", "short.equal" if key == self.main else "short.alias", key)
        for candidate in _without_label(text, self):
            candidate_key = canon.key(candidate)
            if candidate_key in self.keys:
                return Ruling("right", "short.equal", candidate_key)
            if _gloss_agrees(candidate, self):
                return Ruling("right", "short.gloss", self.main)
            if self.lists and _parts(candidate) in self.lists:
                return Ruling("right", "short.list", candidate_key)
        if self.noun and canon.key(f"{self.noun} {strip_edges(without_lead_in(text))}") == self.main:
            return Ruling("right", "short.numbered", self.main)
        if cues.hedges(text):
            return Ruling("hedged", "short.none", key)
        return Ruling("wrong", "short.differs", key)


def prepare(item: Key) -> Gold:
    forms = [clean(text) for text in (item.answer, *item.aliases)]
    keys = [canon.key(form) for form in forms]
    if not keys[0]:
        raise GoldError(f"answer {item.answer!r} has no word in it")
    lists = frozenset(parts for form in forms if (parts := _parts(form)))
    label = frozenset(map(canon.word, canon.tokenize(clean(item.question)))) | {"the", "this", "it", "answer"}
    label -= {"what", "which", "where", "who", "why", "how", "when"}
    return Gold(
        keys[0],
        tuple(filter(None, forms)),
        frozenset(key for key in keys if key),
        lists,
        clean(item.question),
        label,
        _numbered(forms[0], clean(item.question)),
    )


def _numbered(main: str, question: str) -> str:
    """The noun of "What stage is it?" where the gold is that noun and a number or letter; empty elsewhere."""
    found, parts = _ASKS_NUMBER.search(question), main.lower().split()
    stands = found is not None and len(parts) == 2 and parts[0] == found.group(1).lower()
    return parts[0] if stands and _NUMBER.fullmatch(parts[1]) else ""


def _without_label(text: str, gold: Gold) -> list[str]:
    """The text, without its lead-in, and without a label made of the question's own words ("the organ is
    ...").
    """
    found = [text]
    for statements in (False, True):
        shorter = strip_edges(without_lead_in(text, statements=statements))
        if shorter not in found:
            found.append(shorter)
    copula = _COPULA.search(text)
    if copula and gold.label_words.issuperset(map(canon.word, canon.tokenize(text[: copula.start()]))):
        found.append(strip_edges(text[copula.end() :]))
    if not text.isascii():
        length = _common_prefix(text, gold.question)
        label = text[:length]
        rest = text[length:].lstrip(":")
        for mark in ("是", "为"):
            if length and rest.startswith(mark):
                found.append(rest[len(mark) :])
        if label.endswith(("是", "为", "位于", "属于")):
            found.append(rest)
    return found


def _common_prefix(text: str, question: str) -> int:
    length = 0
    while length < min(len(text), len(question)) and text[length] == question[length]:
        length += 1
    return length


def _gloss_agrees(text: str, gold: Gold) -> bool:
    """ "X (Y)" counts when X and Y each equal the gold."""
    found = _BRACKET.match(text)
    return bool(found) and all(canon.key(clean(part)) in gold.keys for part in found.groups())  # type: ignore[union-attr]


def _parts(text: str) -> frozenset[str]:
    """The canonical parts of a list of at least two different parts; empty for anything else."""
    parts = [canon.key(clean(part)) for part in _SEPARATOR.split(text)]
    return (
        frozenset(parts) if len(parts) > 1 and all(parts) and len(set(parts)) == len(parts) else frozenset()
    )
