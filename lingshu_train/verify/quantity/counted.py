"""What a question counts: things in a state, such as missing teeth, or things that are there."""

from __future__ import annotations

from collections.abc import Iterable

from lingshu_train.verify.lexicon import words
from lingshu_train.verify.text import canon

_PRESENCE = frozenset(("present", "there", "visible", "seen", "shown", "intact", "normal"))
_STATES = frozenset(
    map(
        canon.word,
        ("missing", "absent", "lost", "removed", "extracted", "fractured", "broken", "affected", "resected"),
    )
)


def only_present(tokens: Iterable[str], asked: frozenset[str]) -> bool:
    """Whether words say that things are there, where others were to be counted: "Four teeth are present", not missing."""
    plain = frozenset(map(canon.word, tokens))
    return not _PRESENCE.isdisjoint(plain) and not _STATES.isdisjoint(asked) and _STATES.isdisjoint(plain)


def named(token: str, asked: frozenset[str]) -> bool:
    """Whether a Chinese token is a classifier and a word of the question: 枚结节."""
    for classifier in words("units", "classifiers"):
        if token.startswith(classifier):
            token = token[len(classifier) :]
            break
    # 8毫米多 is more than 8 mm, whatever word of the question holds 多.
    if token.startswith(tuple(words("numbers", "beyond_cn"))):
        return False
    return not token or any(token in word for word in asked)
