"""Rows in another language than their data card says are pointed out."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from pydantic import Field

from lingshu_train.curate import _words
from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.data.cards import card as cards
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.schema import Language, Strict

_SCRIPTS = {
    "ja": r"[\u3040-\u30ff]",
    "ko": r"[\uac00-\ud7af\u1100-\u11ff]",
    "zh": r"[\u3400-\u9fff]",
    "ru": r"[\u0400-\u04ff]",
    "ar": r"[\u0600-\u06ff]",
    "hi": r"[\u0900-\u097f]",
    "el": r"[\u0370-\u03ff]",
    "he": r"[\u0590-\u05ff]",
    "th": r"[\u0e00-\u0e7f]",
}
"""Languages by what they are written in; one that shares its script with others stands for all of them."""
_WEIGHT = {"ja": 3, "ko": 3, "zh": 3}
"""Letters that a sign is worth; Japanese has Chinese signs too, and its own decide."""
_COMMON = {
    "en": "the of and is are with in to this that there was were from on for which what it shows no be by as at an or has",
    "fr": "le la les des une est et du dans avec sur pour qui sont une au aux par pas ce cette plus il elle ont",
    "de": "der die das und ist ein eine mit des den dem von zu im auf für sich nicht auch bei oder wird sind keine",
    "es": "el los las una es y del en con por para que se al no como más son su muestra esta este hay sin",
    "it": "il lo gli una è e di del della con per che non sono nel nella al si da come questa questo più",
    "pt": "o os uma é e do da dos das em com por para que não são no na ao se como mais esta este",
    "nl": "de het een en is van met in op te dat voor niet zijn bij wordt ook aan er geen deze dit naar",
}
_LISTS = {code: frozenset(text.split()) for code, text in _COMMON.items()}
_OF = {
    word: tuple(code for code, known in _LISTS.items() if word in known)
    for word in frozenset().union(*_LISTS.values())
}
"""Of a common word the languages that have it."""
_NO_LETTERS = bytes(set(range(128)) - set(string.ascii_letters.encode()))


class Params(Strict):
    """Told by scripts and, of languages in Latin letters, by their most common words; what is not clear is left alone."""

    languages: tuple[Language, ...] = ()
    """Languages that rows may have, such as [en, zh]; empty: those of their data card."""
    least_words: int = Field(default=8, ge=1)
    """Shorter rows are not looked at: names and Latin terms have no language."""
    action: Literal["flag", "drop"] = "flag"
    """What becomes of a row in another language."""


def judge(row: Candidate, params: Params) -> Iterator[Decision]:
    allowed = params.languages or _stated(row.sample.card)
    found = detected(*(text for _, text in row.texts()), least_words=params.least_words)
    if found and allowed and found not in allowed:
        yield (row.drop if params.action == "drop" else row.flag)("another language", value=found)


def detected(*texts: str, least_words: int = 8) -> str:
    """The language of a text, or of several together, by its code of ISO 639-1; empty where that is not clear."""
    text = " ".join(texts)
    if not text.isascii():
        letters = {code: len(re.findall(signs, text)) for code, signs in _SCRIPTS.items()}
        if letters["ja"] * 10 >= letters["zh"]:
            letters["ja"] += letters["zh"] if letters["ja"] else 0
        latin = len(text.encode("ascii", "ignore").translate(None, _NO_LETTERS))
        code = max(letters, key=letters.__getitem__)
        if letters[code] * _WEIGHT.get(code, 1) > latin:
            return code if letters[code] >= least_words else ""
    found = _words.words_of(texts)
    common = list(filter(_OF.__contains__, found))
    count = sum(map(str.isalpha, filter(str.isascii, found))) + sum(not word.isascii() for word in common)
    if count < least_words:
        return ""
    hits = Counter(code for word in common for code in _OF[word])
    (first, most), (_, second) = (*hits.most_common(2), ("", 0), ("", 0))[:2]
    return first if most >= 3 and most >= 1.5 * second and most >= 0.1 * count else ""


@lru_cache(maxsize=1_024)
def _stated(card: str) -> tuple[str, ...]:
    """The languages that a card states; none where the card is not here."""
    try:
        return tuple(cards.load(card).lingshu.language)
    except (DataError, RecipeError):
        return ()
