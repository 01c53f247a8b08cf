"""The finding that an English yes/no question asks for: its noun, what narrows it, where, and whether it asks if it is gone."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from lingshu_train.verify.lexicon import texts, words
from lingshu_train.verify.text import canon

TOKEN = re.compile(r"[a-z0-9]+(?:'t)?|[,;:.!?()]")
ENDS = frozenset(",;:.!?()")
# "Is the spleen absent?", "Has it resolved?": the question itself asks whether the finding is gone.
_GONE_END = re.compile(
    r"\b(?:resolved|gone|cleared|disappeared|vanished|absent|excluded|ruled out|removed|missing|subsided"
    r"|(?:no longer|not) (?:visible|seen|present|there|evident|detectable|identified))\W*$"
)
_GONE_OF = re.compile(
    r"\b(?:free of|free from|clear of|devoid of|absence of|lack of|resolution of|without|negative for|disappearance of|no) (.+)"
)


class Finding(NamedTuple):
    """What a question asks for: its noun, the words that narrow it, the words of the place, and whether the question
    asks if it is gone.
    """

    noun: str
    narrowing: frozenset[str]
    place: frozenset[str]
    gone: bool
    exists: bool


@lru_cache(maxsize=4096)
def asked(question: str) -> Finding | None:
    """The finding a question asks for; None where its words do not say."""
    low = question.lower().strip()
    if not low.isascii():
        return None
    gone = _GONE_END.search(low)
    of = None if gone else _GONE_OF.search(low)
    sought = of.group(1) if of else low[: gone.start()] if gone else low
    tokens = [token for token in TOKEN.findall(sought) if token not in ENDS]
    exists = False
    if not of:
        for index, token in enumerate(tokens):
            if token in words("words", "shows"):
                tokens, exists = tokens[index + 1 :], True
                break
    exists = exists or not words("words", "visible").isdisjoint(tokens)
    phrase: list[str] = []
    rest: list[str] = []
    for index, token in enumerate(tokens):
        if phrase and token in words("words", "prepositions"):
            rest = tokens[index + 1 :]
            break
        if carries(token):
            phrase.append(canon.word(token))
    if not phrase:
        return None
    place = frozenset(canon.word(token) for token in rest if carries(token))
    place -= words("findings", "pictures")
    if exists and not of:
        # "Does the liver contain a mass?" names the place first.
        before = [token for token in TOKEN.findall(sought) if token not in tokens and token not in ENDS]
        place |= {canon.word(token) for token in before if carries(token)} - words("findings", "pictures")
    return Finding(
        same(phrase[-1]),
        frozenset(map(same, phrase[:-1])),
        place,
        bool(gone or of),
        exists or bool(gone or of),
    )


def same(word: str) -> str:
    """A word in the form the rules compare: "fractured" and "fracture" are one."""
    mapped = texts("words", "same").get(word, word)
    return canon.word(mapped) if " " not in mapped else word


def carries(token: str) -> bool:
    """Whether a token carries meaning: no small word and no denial."""
    return token not in words("words", "stop") and token not in words("words", "negation") and token.isalnum()


@lru_cache(maxsize=4096)
def stems(question: str) -> tuple[str, ...]:
    """Beginnings of words, one of which a text has that names the finding: most explanations have none."""
    finding = asked(question)
    noun = finding.noun if finding else ""
    forms = [noun, *(word for word in texts("words", "same") if same(word) == noun)]
    # In British spelling too: "haemorrhages" are a hemorrhage.
    forms += [
        noun.replace(new, old) for old, new in texts("spelling", "stems").items() if new and new in noun
    ]
    return tuple(dict.fromkeys(form[:4] for form in forms))
