"""The reason behind a chosen option: introduced as one, and naming no other option outside of a negation."""

from __future__ import annotations

import re
from functools import cache

from lingshu_train.verify.lexicon import entries, longest_first, words
from lingshu_train.verify.options import Options
from lingshu_train.verify.remarks import others
from lingshu_train.verify.text import canon, cues
from lingshu_train.verify.text.normal import clean, strip_edges

_OPENING = re.compile(r"^[ ,;:.(\-]*")
_LETTER = re.compile(r"(?<![A-Za-z0-9'])([A-Z])(?![A-Za-z0-9'])")
# A longer bracket is a sentence of its own, and must be introduced as a reason.
_GLOSS_WORDS = 8
# How far before a mention its "not" may stand: "rather than the option B".
_NEAR = 3
# 因为被排除了 says nothing else; with more characters a Chinese reason has a finding in it.
_BRIEF_CN = 7


def accepted(text: str, letter: str, options: Options, *, gloss: bool) -> str:
    """How the text behind option `letter` justifies it: "because", "not_other", or empty where it does not.

    `gloss`: a few words in brackets need no "because".
    """
    stripped = _OPENING.sub("", text)
    low = stripped.lower()
    cues_out = longest_first("words", "exclusion")
    excludes = next(cue for cue in cues_out if low.startswith(cue)) if low.startswith(cues_out) else ""
    if excludes:
        other = strip_edges(stripped[len(excludes) :].removesuffix(")").lstrip(" ("))
        key = canon.key(other)
        names = {name for name, named in options.texts.items() if other == name or key == named}
        if names:
            return "not_other" if letter not in names else ""
        return "not_other" if others.upholds(stripped, letter, options.shown, goes_on=False) else ""
    reasons = longest_first("words", "because")
    introduced = low.startswith(reasons) and any(_starts(low, cue) for cue in reasons)
    bracketed = (
        gloss
        and text.strip()[:1] == "("
        and text.strip()[-1:] == ")"
        and len(stripped.split()) <= _GLOSS_WORDS
    )
    if (
        not (introduced or bracketed)
        or "?" in text
        or cues.hedges(stripped)
        or names_another(stripped, letter, options)
    ):
        return ""
    unnamed = stripped.replace(options.unspaced.get(letter, "") or stripped, "") or stripped
    if _denies(stripped, letter, options) or _dismisses(unnamed, gloss=bracketed):
        return ""
    if cues.negates(stripped) or cues.revises(stripped) if bracketed else cues.revises_firmly(stripped):
        return ""
    return "because"


def names_part(other: str, letter: str, options: Options) -> bool:
    """Whether a few words are a part of another option's text and of no word of the own one: "appendicitis" of "acute
    appendicitis".
    """
    found = canon.canonical(clean(other))
    own = options.tokens[letter]
    if not found or not set(found).isdisjoint(own):
        return False
    return any(
        tokens[start : start + len(found)] == found
        for name, tokens in options.tokens.items()
        if name != letter
        for start in range(len(tokens) - len(found) + 1)
    )


def _starts(low: str, cue: str) -> bool:
    return low.startswith(cue) and (not cue.isascii() or not low[len(cue) : len(cue) + 1].isalnum())


def names_another(text: str, letter: str, options: Options) -> bool:
    """Whether a text names an option letter or another option's text, a negated text aside."""
    if names_another_letter(text, letter, options):
        return True
    # An option whose text is a part of the own text is named where it stands outside of that.
    found_tokens = canon.without(canon.canonical(clean(text)), options.tokens[letter])
    for name, tokens in options.tokens.items():
        if name == letter or not tokens or tokens == options.tokens[letter]:
            continue
        for index in range(len(found_tokens) - len(tokens) + 1):
            if found_tokens[index : index + len(tokens)] == tokens:
                before = " ".join(found_tokens[max(0, index - _NEAR) : index])
                if not _excluded(before):
                    return True
    mine = options.unspaced.get(letter, "")
    return any(False in _mentions(name, text) for name in options.unspaced.values() if name not in mine)


def _mentions(name: str, text: str) -> list[bool]:
    """For each place of a Chinese option text, which no spaces set off: whether it is set aside there."""
    return [_excluded(text[: found.start()]) for found in re.finditer(re.escape(name), text) if name]


def names_another_letter(text: str, letter: str, options: Options) -> bool:
    """Whether a text names an option letter; the own one even in a negation."""
    for found in _LETTER.finditer(text):
        name = found.group(1)
        follows = text[found.end() : found.end() + 2]
        pronoun = name in "IA" and len(follows) == 2 and follows[0] == " " and follows[1].islower()
        verb = text[found.end() :].split(" ")[1:2]
        spoken = pronoun and verb and verb[0] not in ("is", "was", "or", "and", "are")
        if name in options.texts and not spoken and (name == letter or not _excluded(text[: found.start()])):
            return True
    return False


def _denies(text: str, letter: str, options: Options) -> bool:
    """Whether a justification negates the very option it is to justify."""
    own = options.tokens[letter]
    found = canon.canonical(clean(text))
    starts = range(len(found) - len(own) + 1) if own else range(0)
    return any(_mentions(options.unspaced.get(letter, ""), text)) or any(
        found[start : start + len(own)] == own and _excluded(" ".join(found[max(0, start - _NEAR) : start]))
        for start in starts
    )


def _excluded(before: str) -> bool:
    """Whether a mention is set aside by the words just before it: "not B", "rather than option B", 不是B."""
    words_before = before.lower().removesuffix("(").split()
    near = " ".join(word for word in words_before[-4:] if word not in ("the", "option", "a", "an"))
    return near.endswith(tuple(words("words", "exclusion")))


def _dismisses(text: str, *, gloss: bool) -> bool:
    """Whether a reason or a bracketed gloss says only that what it stands behind is not the answer: "because it is
    excluded", "(rejected)".
    """
    found = cues.plain_words(text)
    dismissed = not words("words", "dismissal").isdisjoint(found) or cues.contains(
        text.lower(), entries("words", "dismissal_phrases")
    )
    chinese = cues.contains(text, entries("words", "dismissal_cn"))
    if gloss:
        return dismissed or chinese or not any(map(str.isalpha, text))
    if not text.isascii():
        return chinese and len(text) <= _BRIEF_CN
    empty = _empty_words().issuperset(found)
    return empty and (dismissed or not words("words", "negation").isdisjoint(found))


@cache
def _empty_words() -> frozenset[str]:
    """Words that give no reason by themselves."""
    lists = ("bare", "subjects", "negation", "because", "dismissal", "faint", "leading")
    return frozenset[str]().union(*(words("words", name) for name in lists))
