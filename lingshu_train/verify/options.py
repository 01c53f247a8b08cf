"""The options of a question by capital letter, in every form in which an answer may name one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lingshu_train.verify.gold import GoldError
from lingshu_train.verify.item import Key
from lingshu_train.verify.text import canon
from lingshu_train.verify.text.normal import clean, strip_edges

_WORD = re.compile(r"[a-z]+")
_PIECE = re.compile(r"[^\W_]+(?:'s)?|\S")
# A spelled-out phrase may take more words than the canonical form of an option: "magnetic resonance imaging" is "mri".
_SPARE = 8


@dataclass(frozen=True, slots=True)
class Options:
    """Every option by its letter: canonical text (`texts`) and its tokens; in surface normal form, all that are not
    empty (`shown`), and those that are not all Latin, whose words no spaces set off (`unspaced`). `by_text` has the
    letter of each canonical text that only one option has, `by_surface` of each text as it is written, in small letters.
    `keys`: all canonical texts. `spoken`: the Latin words of all texts, in small letters.
    """

    texts: dict[str, str]
    tokens: dict[str, list[str]]
    by_text: dict[str, str]
    by_surface: dict[str, str]
    unspaced: dict[str, str]
    shown: dict[str, str]
    keys: frozenset[str]
    spoken: frozenset[str]

    def leading(self, text: str) -> tuple[str, int]:
        """The option whose own text starts `text`, the longest one, and how many characters it takes; 0 for none."""
        if not canon.may_begin(text, self.keys):
            return "", 0
        most = 2 * max(map(len, self.tokens.values())) + _SPARE
        ends = [found.end() for _, found in zip(range(most), _PIECE.finditer(text), strict=False)]
        for end in reversed(ends):
            letter = self.by_text.get(canon.key(strip_edges(text[:end])))
            if letter is not None and not text[end : end + 1].isalnum():
                return letter, end
        return "", 0

    def named_in(self, remark: str) -> bool:
        """Whether a remark contains the text of any option as it is written, in whole words."""
        low = remark.lower()
        return any(text.lower() in low and _stands(text.lower(), low) for text in self.shown.values())


def read(item: Key) -> Options:
    """The options of an item. GoldError: fewer than two, or other names than single letters."""
    options = {name.strip().upper(): text for name, text in item.options}
    if len(options) < 2 or len(options) != len(item.options):
        raise GoldError("needs at least two options with different letters")
    if not all(len(name) == 1 and name.isascii() and name.isalpha() for name in options):
        raise GoldError(f"option names must be single letters, got {', '.join(options)}")
    shown = {letter: clean(text) for letter, text in options.items()}
    tokens = {letter: canon.canonical(text) for letter, text in shown.items()}
    texts = {letter: canon.join(found) for letter, found in tokens.items()}
    return Options(
        texts=texts,
        tokens=tokens,
        by_text=_alone(texts),
        by_surface=_alone({letter: text.lower() for letter, text in shown.items() if len(text) > 1}),
        unspaced={letter: text for letter, text in shown.items() if not text.isascii()},
        shown={letter: text for letter, text in shown.items() if options[letter]},
        keys=frozenset(filter(None, texts.values())),
        spoken=frozenset(word for text in shown.values() for word in _WORD.findall(text.lower())),
    )


def _alone(texts: dict[str, str]) -> dict[str, str]:
    """The letter of each text that is not empty and that only one option has."""
    counted = list(texts.values())
    return {text: letter for letter, text in texts.items() if text and counted.count(text) == 1}


def _stands(text: str, remark: str) -> bool:
    """Whether a text stands in a remark as words of its own: "no" not in "note"."""
    if not text.isascii():
        return True
    return re.search(rf"(?<![a-z0-9]){re.escape(text)}(?![a-z0-9])", remark) is not None
