"""Canonical form of a medical phrase: equal forms mean equal answers. Closed rules and tables, never a
similarity.

Spelling (British to American), plural, article, possessive, hyphen, Roman stage numbers, abbreviations and
a generic head noun may differ; side, negation, prefix (hyper, hypo) and every other word may not.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from lingshu_train.verify.lexicon import counts, lists, longest_first, texts, words

_TOKEN = re.compile(r"[0-9]+\.[0-9]+|[^\W_\u2e80-\uffff]+|[\u3400-\u9fff]+|\S")
_POSSESSIVE = re.compile(r"'s(?!\w)|'")
_INNER_HYPHEN = re.compile(r"(?<=\w)-(?=\w)")
_ROMAN_NAMES = ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"]
_ROMAN = {name: str(value) for value, name in enumerate(_ROMAN_NAMES, start=1)}
_ROMAN_SUFFIX = re.compile(r"([ivx]+)([abc]?)")
# "The a": more articles than these begin no option.
_MOST_ARTICLES = 2
# A word is not longer.
_FIRST_WORDS = 120
_ARTICLES = frozenset(("a", "an", "the"))


def tokenize(text: str) -> list[str]:
    """Lower-case tokens of a cleaned text: words, decimals, runs of Chinese characters, and single signs."""
    text = text.lower()
    if "'" in text:
        text = _POSSESSIVE.sub("", text)
    if "-" in text:
        text = _INNER_HYPHEN.sub(" ", text)
    if not text.isascii():
        text = _without_accents(text)
    found = _TOKEN.findall(text)
    return [token for token in found if token != "."] if "." in text else found


# A text beside several options, or an answer that a group of completions gives, is asked for again at once.
@lru_cache(maxsize=2048)
def key(text: str) -> str:
    """The canonical form of a cleaned text as one string without spaces."""
    return join(canonical(text))


def canonical(text: str) -> list[str]:
    """Canonical tokens of a cleaned text."""
    return list(_canonical(text))


# The rules of one verdict ask it of the same text again.
@lru_cache(maxsize=1024)
def _canonical(text: str) -> tuple[str, ...]:
    return tuple(_tokens(text))


def _tokens(text: str) -> list[str]:
    found = [word(token) for token in tokenize(text)]
    if len(found) == 1 and found[0].isascii():
        return phrases(found)
    return _without_head_noun(phrases(_without_articles(_arabic(found))))


def join(found: list[str]) -> str:
    """Hyphen, space and nothing are the same, except between two digits."""
    whole = "".join(found)
    if len(found) == 1 or whole.isalpha():
        return whole
    out: list[str] = []
    for token in found:
        if out and token[0].isdigit() and out[-1][-1].isdigit():
            out.append("|")
        out.append(token)
    return "".join(out)


# More than the words of a language's medical answers: a word costs a search for every stem of the table.
@lru_cache(maxsize=65536)
def word(token: str) -> str:
    """One token in American spelling, singular, with number words as digits."""
    if not token.isascii():
        for old, new in texts("abbreviations", "rewrites_cn").items():
            token = token.replace(old, new)
        return token
    if not token.isalpha():
        return token
    number = counts("numbers", "words").get(token)
    if number is not None:
        return str(number)
    for old, new in texts("spelling", "stems").items():
        if old in token:
            token = token.replace(old, new)
    token = _singular(token)
    for ending, new in texts("spelling", "endings").items():
        if token.endswith(ending) and len(token) > len(ending) + 4:
            return f"{token[: -len(ending)]}{new}"
    return token


def _singular(token: str) -> str:
    irregular = texts("spelling", "plurals").get(token)
    if irregular is not None:
        return irregular
    if (
        len(token) < 4
        or token[-1] != "s"
        or token[-2:] in ("ss", "us", "is")
        or token in words("spelling", "invariable")
    ):
        return token
    if token.endswith("ies") and len(token) > 4:
        return token[:-3] + "y"
    if token.endswith(("sses", "xes", "ches", "shes", "zes")):
        return token[:-2]
    if token.endswith("scesses"):
        return token[:-2]
    return token[:-1]


def _arabic(found: list[str]) -> list[str]:
    # Roman numbers only after a word that takes a number: "type I" is "type 1", "vitamin C" stays.
    after = words("spelling", "roman_after")
    if after.isdisjoint(found):
        return found
    for index in range(1, len(found)):
        if found[index - 1] in after:
            parts = _ROMAN_SUFFIX.fullmatch(found[index])
            if parts and parts.group(1) in _ROMAN:
                found[index] = _ROMAN[parts.group(1)] + parts.group(2)
    return found


def _without_articles(found: list[str]) -> list[str]:
    # "hepatitis A" and "vitamin A deficiency" keep the letter: an inner "a" may be an article after "of".
    if _ARTICLES.isdisjoint(found):
        return found
    after = words("spelling", "letters_after")
    kept: list[str] = []
    last = len(found) - 1
    for index, token in enumerate(found):
        inner = index == 0 or found[index - 1] in after
        article = index < last and (token in ("an", "the") or (token == "a" and inner))
        if not article:
            kept.append(token)
    return kept


def may_begin(text: str, keys: frozenset[str]) -> bool:
    """Whether some beginning of a cleaned text may have one of these canonical forms: by its first word, articles aside. A
    word that begins an abbreviated phrase may become anything.
    """
    for place, token in enumerate(tokenize(text[:_FIRST_WORDS])):
        first = word(token)
        if not first[0].isalnum():
            continue
        if first in _phrase_table() or any(key.startswith(first) or first.startswith(key) for key in keys):
            return True
        if first not in _ARTICLES or place >= _MOST_ARTICLES:
            return False
    return True


def phrases(found: list[str]) -> list[str]:
    """Abbreviations and their full forms in one spelling, longest phrase first, one pass."""
    starts = _phrase_table()
    if starts.keys().isdisjoint(found):
        return found
    out: list[str] = []
    index = 0
    while index < len(found):
        for phrase, short in starts.get(found[index], ()):
            if tuple(found[index : index + len(phrase)]) == phrase:
                out.extend(short)
                index += len(phrase)
                break
        else:
            out.append(found[index])
            index += 1
    return out


@lru_cache(maxsize=1)
def _phrase_table() -> dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]]:
    starts: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for short, variants in lists("abbreviations", "phrases").items():
        for variant in variants:
            phrase = tuple(word(token) for token in tokenize(variant))
            starts.setdefault(phrase[0], []).append((phrase, tuple(word(token) for token in tokenize(short))))
    for entries in starts.values():
        entries.sort(key=lambda entry: (-len(entry[0]), entry))
    return starts


def _without_head_noun(found: list[str]) -> list[str]:
    nouns = words("spelling", "head_nouns")
    while (
        len(found) > 1 and found[-1] in nouns and found[-2] not in ("of", "no", "not", "and", "or", "/", ",")
    ):
        found = found[:-1]
    return _without_head_noun_cn(found)


def _without_head_noun_cn(found: list[str]) -> list[str]:
    last = found[-1] if found else ""
    if not last or last.isascii():
        return found
    for noun in longest_first("spelling", "head_nouns_cn"):
        if last.endswith(noun) and (len(last) > len(noun) + 1 or len(found) > 1):
            rest = last[: -len(noun)]
            # 横断面扫描 is 横断面, which is 横断.
            return _without_head_noun_cn(phrases([*found[:-1], *([rest] if rest else [])]))
    return found


def _without_accents(text: str) -> str:
    folded = unicodedata.normalize("NFD", text)
    return "".join(char for char in folded if not unicodedata.combining(char))


def without(tokens: list[str], part: list[str]) -> list[str]:
    """Tokens with every occurrence of `part` replaced by a full stop, so that its neighbours do not meet."""
    kept: list[str] = []
    for token in tokens:
        kept.append(token)
        if part and kept[-len(part) :] == part:
            kept[-len(part) :] = ["."]
    return kept
