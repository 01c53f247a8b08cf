"""Several letters of several options: a list of letters, of option texts, or of both, equal as a set. Never
in part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar

from lingshu_train.verify import options
from lingshu_train.verify.gold import GoldAnswer, GoldError, Reads, Ruling
from lingshu_train.verify.item import Key
from lingshu_train.verify.lexicon import longest_first
from lingshu_train.verify.options import Options
from lingshu_train.verify.text import canon, cues
from lingshu_train.verify.text.json_list import json_list
from lingshu_train.verify.text.leads import readings
from lingshu_train.verify.text.normal import clean, strip_edges

_SMALL = re.compile(r"[a-z]{2,26}")
_GLUED = re.compile(r"[A-Z]{1,26}")
_TOKEN = re.compile(r"[0-9]+\.[0-9]+|[A-Za-z0-9']+(?:-[A-Za-z0-9']+)*|[\u3400-\u9fff]+|\S")
_SEPARATORS = frozenset((",", ";", "/", "&", "+", "and", "和", "与", "及", "以及", "|"))
_AFTER_LETTER = frozenset((".", ":", ")", "]", "-"))
_NOUNS = re.compile(r"^(?:both |(?:options|choices|answers|letters)(?: are)?[: ]+)", re.IGNORECASE)
_HAN_AND = re.compile("(?<=[A-Z\u3400-\u9fff])(?:以及|和|与|及)(?=[A-Z\u3400-\u9fff])")
_LETTERED = re.compile(r"[(\[]?([A-Za-z]) ?(?:([.:)\]-])| )")
_BULLET = re.compile(r"^[-*•] ")
_BULLETS = re.compile(r" [-*•] ")


@dataclass(frozen=True, slots=True)
class Gold(GoldAnswer):
    """The right letters and every option's tokens, longest first."""

    reads: ClassVar[Reads] = "choices"
    letters: frozenset[str]
    options: Options
    tokens: tuple[tuple[str, tuple[str, ...]], ...]
    question: str

    def judge(self, text: str) -> Ruling:
        for candidate in readings(text):
            letters = read(_NOUNS.sub("", candidate), self)
            if letters is not None:
                return Ruling(
                    "right" if letters == self.letters else "wrong",
                    "multi_select.set",
                    "".join(sorted(letters)),
                )
        if cues.hedges(text):
            return Ruling("hedged", "multi_select.none")
        return Ruling("negated" if cues.negates(text) else "unreadable", "multi_select.none")

    def answered_again(self, remark: str) -> bool:
        return self.options.named_in(remark)


def prepare(item: Key) -> Gold:
    found = options.read(item)
    tokens = [(name, tuple(_tokens(found.shown.get(name, "")))) for name in found.texts]
    # The longest text first: "right lung" is not read as the option "right".
    tokens.sort(key=lambda entry: (-len(entry[1]), entry[0]))
    blank = Gold(frozenset(), found, tuple(tokens), item.question)
    letters = read(clean(item.answer), blank)
    if letters is None:
        raise GoldError(f"answer {item.answer!r} is not a list of option letters or texts")
    return replace(blank, letters=letters)


def read(text: str, gold: Gold) -> frozenset[str] | None:
    """The set of letters a text lists; None where the whole text is not one list without repetition."""
    text = strip_edges(_without_affirmation(text))
    if _GLUED.fullmatch(text) and gold.options.texts.keys() >= set(text):
        return _distinct(list(text))
    if (
        _SMALL.fullmatch(text)
        and list(text) == sorted(set(text))
        and gold.options.texts.keys() >= set(text.upper())
    ):
        # Small letters without a space only in the order of the alphabet, so that no word is a list.
        return _distinct(list(text.upper()))
    if _BULLET.match(text):
        text = _BULLETS.sub(", ", _BULLET.sub("", text))
    if text[:1] in "['" and '"' not in text:
        text = text.replace("'", '"')
    if text.startswith("[") or (text.startswith('"') and text.endswith('"')):
        items = json_list(text)
        if items is not None:
            text = ", ".join(items)
    split = _HAN_AND.sub(",", text)
    named = _distinct([name for part in split.split(",") for name in _named(clean(part), gold)])
    if named is not None and len(named) == split.count(",") + 1:
        return named
    return _items(_tokens(split), gold)


def _named(part: str, gold: Gold) -> list[str]:
    """The options whose text a part is. "A. Spleen" and "A Spleen" begin with a letter, not with an article."""
    marked = _LETTERED.match(part)
    if (
        marked
        and marked.group(1).upper() in gold.options.texts
        and (marked.group(1).isupper() or marked.group(2))
    ):
        return []
    key = canon.key(part)
    return [name for name, own in gold.options.texts.items() if own and own == key]


def _without_affirmation(text: str) -> str:
    """Without "are correct", "only", 都正确 at the end."""
    listed, low = longest_first("words", "all_correct"), text.lower()
    if not low.endswith(listed):
        return text
    for entry in listed:
        if low.endswith(f" {entry}" if entry.isascii() else entry):
            return text[: -len(entry)]
    return text


def _tokens(text: str) -> list[str]:
    return [token if len(token) == 1 else token.lower() for token in _TOKEN.findall(text)]


def _items(found: list[str], gold: Gold) -> frozenset[str] | None:
    letters: list[str] = []
    index, bare = 0, True
    while index < len(found):
        separated = found[index] in _SEPARATORS
        while index < len(found) and found[index] in _SEPARATORS:
            index += 1
        if index >= len(found):
            return None
        name, length, plain = _item(found, index, gold)
        if not name and found[index] in ("the", "an") and index + 1 < len(found):
            index += 1
            name, length, plain = _item(found, index, gold)
        # Bare letters may follow each other; "A Spleen" is no list of A and the option Spleen.
        if not name or (letters and bare and not plain and not separated):
            return None
        letters.append(name)
        index += length
        bare = bare and plain
        if (
            index < len(found)
            and found[index] not in _SEPARATORS
            and not bare
            and not _lettered(found, index, gold)
        ):
            return None
    return _distinct(letters)


def _item(found: list[str], index: int, gold: Gold) -> tuple[str, int, bool]:
    """One item at `index`: its letter, how many tokens it takes, and whether it is a bare letter."""
    # Texts of several words, then letters, then texts of one word: "A" is the letter, even where it is an option's text.
    for name, tokens in gold.tokens:
        if len(tokens) > 1 and _same(found[index : index + len(tokens)], tokens):
            return _with_letter(found, index, name, len(tokens))
    start = index
    bracket = found[index] in "(["
    index += bracket
    name = found[index].upper() if index < len(found) and len(found[index]) == 1 else ""
    if name in gold.options.texts:
        index += 1
        if bracket and found[index : index + 1] not in ([")"], ["]"]):
            return "", 0, False
        marked = index < len(found) and found[index] in _AFTER_LETTER
        index += marked
        own = next(tokens for other, tokens in gold.tokens if other == name)
        if own and _same(found[index : index + len(own)], own):
            return name, index + len(own) - start, False
        if _gloss(found, index, own):
            return name, index + len(own) + 2 - start, False
        return (
            (name, index - start, not marked or bracket)
            if found[start] != "a" or _ends(found, index)
            else ("", 0, False)
        )
    for other, tokens in gold.tokens:
        if len(tokens) == 1 and _same(found[start : start + 1], tokens):
            return _with_letter(found, start, other, 1)
    return "", 0, False


def _with_letter(found: list[str], index: int, name: str, length: int) -> tuple[str, int, bool]:
    """An option's text at `index`, with its own letter in brackets if one follows."""
    after = found[index + length : index + length + 3]
    if after[:1] != ["("]:
        return name, length, False
    return (name, length + 3, False) if after[1:] == [name, ")"] else ("", 0, False)


def _lettered(found: list[str], index: int, gold: Gold) -> bool:
    """Whether an item with its letter starts here: "A. Liver B. Kidney" needs no comma."""
    return (
        found[index] in gold.options.texts
        and found[index + 1 : index + 2] != []
        and found[index + 1] in _AFTER_LETTER
    )


def _ends(found: list[str], index: int) -> bool:
    return index >= len(found) or found[index] in _SEPARATORS


def _gloss(found: list[str], index: int, own: tuple[str, ...]) -> bool:
    return (
        bool(own)
        and found[index : index + 1] == ["("]
        and found[index + len(own) + 1 : index + len(own) + 2] == [")"]
        and _same(found[index + 1 : index + 1 + len(own)], own)
    )


def _same(some: list[str], tokens: tuple[str, ...]) -> bool:
    return len(some) == len(tokens) and all(
        one == other or canon.word(one.lower()) == canon.word(other.lower())
        for one, other in zip(some, tokens, strict=True)
    )


def _distinct(letters: list[str]) -> frozenset[str] | None:
    return frozenset(letters) if letters and len(set(letters)) == len(letters) else None
