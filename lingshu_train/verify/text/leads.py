"""Lead-ins that say "here comes the answer" ("the correct answer is", 答案是): a closed grammar, removed
before judging.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from lingshu_train.verify.lexicon import longest_first
from lingshu_train.verify.text.normal import strip_edges

# "So, I think the answer is": an opener, a person, a noun. More of them are reasoning.
_ROUNDS = 3
# "The most likely diagnosis in this case is": words that name the case or the picture at hand, and no other.
_OF_CASE = (
    " (?:(?:in|for|of|on|from|based on|according to|given|shown in|seen in|suggested by|supported by) "
    "(?:the|this|these) (?:(?:given|provided|attached|shown|above|medical|clinical|imaging) )?"
    "(?:image|picture|case|patient|findings?|question|features?|presentation|scan|radiograph|figure|options|information|history)"
    "|here)"
)


# The rules of one verdict ask it of the same text two or three times.
@lru_cache(maxsize=1024)
def without_lead_in(text: str, *, statements: bool = False) -> str:
    """A cleaned text without its lead-in. `statements` also removes "it is", "this is", 这是."""
    for _ in range(_ROUNDS):
        found = _grammar(statements).match(text)
        if found is None or found.end() == len(text):
            return text
        text = text[found.end() :].lstrip()
    return text


def readings(text: str) -> Iterator[str]:
    """A cleaned text as it stands, without its lead-in, and without a statement such as "it is"; each form
    once.
    """
    yield text
    shorter = without_lead_in(text)
    if shorter != text:
        yield strip_edges(shorter)
    stated = without_lead_in(text, statements=True)
    if stated not in (text, shorter):
        yield strip_edges(stated)


def anchors(text: str) -> list[tuple[int, int]]:
    """Where a text states an answer: (start, end) of every anchor such as "answer is", in order."""
    return [found.span() for found in _anchor().finditer(text)]


def trace_anchors(text: str) -> list[tuple[int, int]]:
    """As `anchors`, with the words by which a reasoning trace commits itself (therefore, consistent with,
    考虑为).
    """
    return [found.span() for found in _trace_anchor().finditer(text)]


@lru_cache(maxsize=2)
def _grammar(statements: bool) -> re.Pattern[str]:
    # Every alternative is a fixed phrase followed by one space: the pattern reads each character once.
    noun_phrase = rf"(?:(?:{_any('determiners')}) )?(?:(?:{_any('adjectives')}) ){{0,3}}(?:{_any('nouns')})"
    chinese_noun = rf"(?:{_any('persons_cn')})?(?:{_any('adjectives_cn')}){{0,3}}(?:{_any('nouns_cn')})"
    english = [
        rf"(?:{_any('openers')})(?:, ?| )",
        rf"{noun_phrase}(?:{_OF_CASE}){{0,2}} ?(?:(?:{_any('copulas')})(?: ?: ?| )|: ?|= ?|-> ?|- )",
        rf"(?:(?:{_any('persons')}) ?)(?:{_any('verbs')}),? (?:that )?"
        rf"(?:(?:it is|it's|this is|{noun_phrase} is) )?",
        rf"(?:(?:{_any('determiners')}) )?(?:{_any('choice_nouns')}|{_any('imperatives')}) "
        r"(?=[(\[\"]?[A-Za-z][)\].:\"]?(?:\W|$))",
    ]
    chinese = [
        rf"(?:{_any('openers_cn')})[,:]? ?",
        rf"{chinese_noun}(?:{_any('copulas_cn')}) ?[:,]? ?",
        rf"{chinese_noun} ?: ?",
        rf"(?:{_any('choose_cn')}) ?:? ?(?=[(\[]?[A-Z])",
        r"(?:我选择|我选|我认为|我觉得)是? ?:? ?",
    ]
    if statements:
        english.append(rf"(?:{_any('statements')}) ")
        chinese.append(rf"(?:{_any('statements_cn')}) ?:? ?")
    return re.compile("(?:" + "|".join(english + chinese) + ")", re.IGNORECASE)


@lru_cache(maxsize=1)
def _anchor() -> re.Pattern[str]:
    return re.compile(f"(?:{_any('anchors')})[ :：]{{0,3}}", re.IGNORECASE)


@lru_cache(maxsize=1)
def _trace_anchor() -> re.Pattern[str]:
    return re.compile(f"(?:{_any('anchors')}|{_any('trace_anchors')})[ ,，:：]{{0,3}}", re.IGNORECASE)


def _any(name: str) -> str:
    return "|".join(re.escape(entry).replace(r"\ ", " ") for entry in longest_first("leadins", name))
