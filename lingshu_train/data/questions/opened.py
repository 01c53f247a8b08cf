"""A multiple-choice question asked without its options, where the right option is a word or phrase (paper, section 3.4).

The paper states that this is done, not to which questions. Which ones are eligible is ours: those that can be understood
and judged without their options.
"""

from __future__ import annotations

import re
from dataclasses import replace

from lingshu_train.data.rows import answers
from lingshu_train.record import Sample
from lingshu_train.verify import gold_problem

_MOST_WORDS = 6  # longer options are sentences, which no rule for short answers can judge
_MOST_CHARACTERS = 16  # of a phrase in a script without spaces

# The question speaks of its options, or asks for what is not the case: without options everything else is right.
_NEEDS_OPTIONS = re.compile(
    r"\bfollowing\b|\b(?:of|among|from|between) (?:these|those)\b|\bwhich (?:one\b|(?:option|choice|statement|answer)s?\b)"
    r"|\b(?:options?|choices?|listed|given) (?:above|below|here)\b|\b(?:the|these|given|answer) (?:options|choices)\b"
    r"|\b(?:above|below)\b.*\b(?:true|false|correct)\b|\b(?:true|false|incorrect|correct) (?:statement|option|choice)"
    r"|\bexcept\b|\bleast (?:likely|common|appropriate)\b|\bnot\b|n't\b"
    r"|以下|下列|下面|如下|选项|哪[一个几些]*项|除外|之外|除了|不(?:是|包括|属于|正确|符合|可能|应)|错误|正确的(?:说法|描述)",
    re.IGNORECASE,
)
# The option speaks of other options.
_REFERS = re.compile(
    r"\b(?:all|none|any|both|neither|either|some|two) of (?:the|these|those|them)\b|\bthe (?:above|others?)\b"
    r"|^(?:none|all|both|neither|others?)$|\b(?:both|either|neither) [A-Z]\b|^[A-Z](?:\s*(?:,|&|\+|/|and|or|、|和)\s*[A-Z])*$"
    r"|以上|上述|均是|均不|都是|都不|皆",
    re.IGNORECASE,
)
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def openable(sample: Sample) -> bool:
    """Whether a sample is a choice between options that can be asked openly.

    Its question must not need the options, no option may speak of another, and the right one must be a word or phrase
    (no number, no yes or no, no sentence) by which the verifier can judge a short answer.
    """
    text = _right(sample)
    if not text or not _is_phrase(text) or _NEEDS_OPTIONS.search(sample.question):
        return False
    if any(_REFERS.search(option.strip()) for option in sample.options.values()):
        return False
    return gold_problem(_asked(sample, text)) is None


def opened(sample: Sample) -> Sample:
    """The sample as a short question: the options are gone, and the text of the right one is the answer.

    Its reasoning is dropped, since it weighs options. Only for a sample that is `openable`.
    """
    assert openable(sample), f"sample {sample.id} cannot be asked without its options"
    return _asked(sample, _right(sample))


def _asked(sample: Sample, text: str) -> Sample:
    aliases = tuple(alias for alias in sample.aliases if alias.strip().upper() not in sample.options)
    return replace(sample, question_type="short", options={}, answer=text, aliases=aliases, reasoning="")


def _right(sample: Sample) -> str:
    """Text of the right option, from its letter or from itself; empty where the sample is no choice or names none."""
    if sample.question_type != "mcq":
        return ""
    answer = sample.answer.strip()
    by_letter = {letter.strip().upper(): text.strip() for letter, text in sample.options.items()}
    return by_letter.get(answer.upper(), answer if answer in by_letter.values() else "")


def _is_phrase(text: str) -> bool:
    if answers.guess(text) != "short" or re.match(r"[+\-<>≤≥~]?\s*\.?\d", text):
        return False
    if _WIDE.search(text):
        return len(text) <= _MOST_CHARACTERS
    return len(text.split()) <= _MOST_WORDS and any(character.isalpha() for character in text)
