"""One letter of several options: the letter, the option's text, or both; then at most a justification.

Accepted: (a) the letter; (b) the letter and its own text; (c) the text of exactly one option; (d) either of
these with a justification that names no other option outside a negation. A letter with another option's
text is a conflict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lingshu_train.verify.item import GoldError, Key, Ruling
from lingshu_train.verify.tables import longest_first, words
from lingshu_train.verify.text import canon, cues
from lingshu_train.verify.text.leads import readings
from lingshu_train.verify.text.normal import clean, strip_edges
from lingshu_train.verify.types import yes_no

_LETTER = re.compile(r"([(\[{\"]?)([A-Za-z])([)\]}\"]?)( ?[.:,)\-]+ ?| )?")
_CLOSING = {"(": ")", "[": "]", "{": "}", '"': '"'}
_JUSTIFY = re.compile(r"^[ ,;:.(\-]*")
_PIECE = re.compile(r"[^\W_]+(?:'s)?|\S")
_UNLETTERED = re.compile(r"(?<![A-Za-z0-9'])([A-Z])(?![A-Za-z0-9'])")


@dataclass(frozen=True, slots=True)
class Gold:
    """The right letter, every option's canonical text, the letter of each text that only one option has,
    and the Chinese texts as written.
    """

    letter: str
    texts: dict[str, str]
    by_text: dict[str, str]
    tokens: dict[str, list[str]]
    unspaced: dict[str, str]
    polar: dict[str, str]
    question: str


def prepare(item: Key) -> Gold:
    """Read the options and the gold letter (or the gold text, where exactly one option has it)."""
    options = read_options(item)
    texts = {letter: canon.key(clean(text)) for letter, text in options.items()}
    counted = list(texts.values())
    by_text = {text: letter for letter, text in texts.items() if counted.count(text) == 1 and text}
    answer = clean(item.answer)
    letter = answer.upper() if answer.upper() in options else by_text.get(canon.key(answer), "")
    if not letter:
        raise GoldError(f"answer {item.answer!r} is neither a letter nor the text of exactly one option")
    polar = yes_no.polar_options(options)
    tokens = {name: canon.canonical(clean(text)) for name, text in options.items()}
    unspaced = {name: shown for name, text in options.items() if not (shown := clean(text)).isascii()}
    return Gold(letter, texts, by_text, tokens, unspaced, polar, item.question)


def read_options(item: Key) -> dict[str, str]:
    """Options by capital letter."""
    options = {name.strip().upper(): text for name, text in item.options}
    if len(options) < 2 or len(options) != len(item.options):
        raise GoldError("needs at least two options with different letters")
    if not all(len(name) == 1 and name.isascii() and name.isalpha() for name in options):
        raise GoldError(f"option names must be single letters, got {', '.join(options)}")
    return options


def canonical_gold(gold: Gold) -> str:
    return gold.letter


def judge(text: str, gold: Gold) -> Ruling:
    """Judge a cleaned answer text."""
    if len(text) == 1 and text.upper() in gold.texts:
        return _rule(text.upper(), "letter", gold)
    for candidate in readings(text):
        ruling = _read(candidate, gold)
        if ruling.status != "unreadable":
            return ruling
    if cues.hedges(text) or cues.chooses(text):
        return Ruling("hedged", "mcq.none")
    return Ruling("negated" if cues.negates(text) else "unreadable", "mcq.none")


def _rule(letter: str, rule: str, gold: Gold) -> Ruling:
    return Ruling("right" if letter == gold.letter else "wrong", f"mcq.{rule}", letter)


def _read(text: str, gold: Gold) -> Ruling:
    found = _LETTER.match(text)
    letter = found.group(2).upper() if found and _balanced(found) else ""
    if found and letter in gold.texts and (found.group(2).isupper() or _marked(found, text)):
        ruling = _after_letter(letter, text, text[found.end() :], gold)
        if ruling is not None:
            return ruling
    whole = canon.key(text)
    if whole in gold.by_text and not (
        letter in gold.texts
        and found
        and found.group(2).isupper()
        and found.group(4)
        and not _same_surface(text, gold.by_text[whole], gold)
    ):
        return _rule(gold.by_text[whole], "text", gold)
    return _text_with_more(text, gold)


def _balanced(found: re.Match[str]) -> bool:
    opening, closing, separator = found.group(1), found.group(3), found.group(4)
    if opening:
        return closing == _CLOSING[opening]
    following = found.string[found.end() : found.end() + 1]
    ends = not following or following in "([" or following >= "\u3400"
    return closing in ("", ")") and (bool(closing) or separator is not None or ends)


def _marked(found: re.Match[str], text: str) -> bool:
    # A small letter counts only as "b", "b." or "(b)": anything else may be the article "a".
    marks = (found.group(1), found.group(3), (found.group(4) or "").strip())
    return any(marks) or found.end() == len(text)


def _same_surface(text: str, letter: str, gold: Gold) -> bool:
    # "E. coli" as the text of option B is that text, not letter E; "A Group A" is letter A, other text.
    surface = [canon.word(token) for token in canon.tokenize(text)]
    return canon.join(surface) == canon.join(gold.tokens[letter])


def _after_letter(letter: str, text: str, rest: str, gold: Gold) -> Ruling | None:
    """Judge what follows a leading letter; None when the text must be read without the letter."""
    if not rest:
        return None if text.endswith("-") else _rule(letter, "letter", gold)
    remainder = strip_edges(rest)
    if letter != "A" and _names_a(remainder, gold):
        return Ruling("conflicting", "mcq.letter_text")
    named = canon.key(remainder)
    if named == gold.texts[letter]:
        return _rule(letter, "letter_text", gold)
    whole = canon.key(text)
    if whole in gold.by_text and _same_surface(text, gold.by_text[whole], gold):
        return None
    if named in gold.texts.values():
        return Ruling("conflicting", "mcq.letter_text")
    if affirmed(remainder):
        return _rule(letter, "letter", gold)
    if letter in "AI" and text[1:2] == " " and not rest.startswith(("because ", "since ")):
        # "I as a doctor", "A for effort": without a sign after it, the letter may be a word.
        return None
    named_letter, length = leading_option(rest, gold)
    if named_letter == letter:
        if _of_question(strip_edges(rest[length:]), gold) and not names_another(rest[length:], letter, gold):
            return _rule(letter, "letter_text", gold)
        return _justified(letter, rest[length:], gold, rule="letter_text", gloss=True)
    return _justified(letter, rest, gold, rule="letter")


def _text_with_more(text: str, gold: Gold) -> Ruling:
    """The own text of one option, then its letter in brackets, a gloss, an affirmation or a justification."""
    best, length = leading_option(text, gold)
    if length and best != "A" and _names_a(text, gold):
        return Ruling("conflicting", "mcq.text")
    if length:
        rest = text[length:].strip()
        inner = strip_edges(rest)
        if len(inner) == 1 and inner.upper() in gold.texts and rest[:1] in "([":
            return (
                _rule(best, "text_letter", gold)
                if inner.upper() == best
                else Ruling("conflicting", "mcq.text_letter")
            )
        if affirmed(inner):
            return _rule(best, "text", gold)
        if _of_question(inner, gold) and not names_another(inner, best, gold):
            return _rule(best, "text", gold)
        ruling = _justified(best, text[length:], gold, rule="text", gloss=True)
        if ruling is not None:
            return ruling
    if gold.polar:
        side = yes_no.side(text, gold.question)
        if side.status == "right" and not _names_another_letter(text, gold.polar[side.normalized], gold):
            return _rule(gold.polar[side.normalized], "polarity", gold)
    return Ruling("unreadable", "mcq.none")


def leading_option(text: str, gold: Gold) -> tuple[str, int]:
    """The option whose own text starts `text`, the longest one, and how many characters it takes; 0 for
    none.
    """
    longest = max(map(len, gold.tokens.values()))
    ends = [found.end() for _, found in zip(range(2 * longest + 8), _PIECE.finditer(text), strict=False)]
    for end in reversed(ends):
        letter = gold.by_text.get(canon.key(strip_edges(text[:end])))
        if letter is not None and not text[end : end + 1].isalnum():
            return letter, end
    return "", 0


def _names_a(text: str, gold: Gold) -> bool:
    """Whether the "A" before a capital letter is option A and no article."""
    return text[:2] == "A " and text[2:3].isupper() and "A" in gold.texts


def affirmed(text: str) -> bool:
    """Whether a text says only that what stands before it is the answer."""
    return text.lower() in words("words", "correct")


def _justified(letter: str, rest: str, gold: Gold, *, rule: str, gloss: bool = False) -> Ruling | None:
    """Accept a justification that is introduced as one and names no other option outside a negation."""
    stripped = _JUSTIFY.sub("", rest)
    low = stripped.lower()
    excludes = next((cue for cue in longest_first("words", "exclusion") if low.startswith(cue)), "")
    if excludes:
        other = strip_edges(stripped[len(excludes) :].removesuffix(")"))
        names = {name for name in gold.texts if other == name or canon.key(other) == gold.texts[name]}
        if names and letter not in names:
            return _rule(letter, f"{rule}_not_other", gold)
        return None
    introduced = any(_starts(low, cue) for cue in longest_first("words", "because"))
    bracketed = gloss and rest.strip()[:1] == "(" and rest.strip()[-1:] == ")" and len(stripped.split()) <= 8
    if (
        not (introduced or bracketed)
        or "?" in rest
        or cues.hedges(stripped)
        or names_another(stripped, letter, gold)
    ):
        return None
    unnamed = stripped.replace(gold.unspaced.get(letter, "") or stripped, "") or stripped
    if denies(stripped, letter, gold) or cues.dismisses(unnamed, gloss=bracketed):
        return None
    if cues.negates(stripped) or cues.revises(stripped) if bracketed else cues.revises_firmly(stripped):
        return None
    return _rule(letter, f"{rule}_because", gold)


def _starts(low: str, cue: str) -> bool:
    return low.startswith(cue) and (not cue.isascii() or not low[len(cue) : len(cue) + 1].isalnum())


def names_another(text: str, letter: str, gold: Gold) -> bool:
    """Whether a text names an option letter or another option's text, a negated text aside."""
    if _names_another_letter(text, letter, gold):
        return True
    # An option whose text is a part of the own text is named where it stands outside of that.
    found_tokens = canon.without(canon.canonical(clean(text)), gold.tokens[letter])
    for name, tokens in gold.tokens.items():
        if name == letter or not tokens or tokens == gold.tokens[letter]:
            continue
        for index in range(len(found_tokens) - len(tokens) + 1):
            if found_tokens[index : index + len(tokens)] == tokens:
                before = " ".join(found_tokens[max(0, index - 3) : index])
                if not _excluded(before):
                    return True
    mine = gold.unspaced.get(letter, "")
    return any(False in _mentions(name, text) for name in gold.unspaced.values() if name not in mine)


def _mentions(name: str, text: str) -> list[bool]:
    """For each place of a Chinese option text, which no spaces set off: whether it is set aside there."""
    return [_excluded(text[: found.start()]) for found in re.finditer(re.escape(name), text) if name]


def _names_another_letter(text: str, letter: str, gold: Gold) -> bool:
    for found in _UNLETTERED.finditer(text):
        name = found.group(1)
        follows = text[found.end() : found.end() + 2]
        pronoun = name in "IA" and len(follows) == 2 and follows[0] == " " and follows[1].islower()
        verb = text[found.end() :].split(" ")[1:2]
        spoken = pronoun and verb and verb[0] not in ("is", "was", "or", "and", "are")
        if name in gold.texts and not spoken and (name == letter or not _excluded(text[: found.start()])):
            return True
    return False


def _of_question(text: str, gold: Gold) -> bool:
    """Whether a text is up to three words of the question: "3 cusps" where cusps were to be counted."""
    found = canon.tokenize(text)
    asked = {canon.word(token) for token in canon.tokenize(gold.question) if token.isalpha()}
    return (
        0 < len(found) <= 3 and not cues.negates(text) and all(canon.word(token) in asked for token in found)
    )


def denies(text: str, letter: str, gold: Gold) -> bool:
    """Whether a justification negates the very option it is to justify."""
    own = gold.tokens[letter]
    found = canon.canonical(clean(text))
    starts = range(len(found) - len(own) + 1) if own else range(0)
    return any(_mentions(gold.unspaced.get(letter, ""), text)) or any(
        found[start : start + len(own)] == own and _excluded(" ".join(found[max(0, start - 3) : start]))
        for start in starts
    )


def _excluded(before: str) -> bool:
    """Whether a mention is set aside by the words just before it: "not B", "rather than option B", 不是B."""
    words_before = before.lower().removesuffix("(").split()
    near = " ".join(word for word in words_before[-4:] if word not in ("the", "option", "a", "an"))
    return near.endswith(tuple(words("words", "exclusion")))
