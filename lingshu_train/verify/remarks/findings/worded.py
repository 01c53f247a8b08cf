"""Turns of speech in the words that the rules know: "it's" as "it is", "high signal" as hyperintense, "L5-S1" as one level."""

from __future__ import annotations

import re

from lingshu_train.verify.remarks import source

_SHORTENED = re.compile(r"\b(it|that|there|this|here|he|she|what)'s\b")
_SIGNAL = re.compile(
    r"\b(?:(high|increased|bright|elevated|hyperintense)|(?:low|decreased|reduced|dark|hypointense))[ -]"
    r"(?:(?:t1|t2|flair)[ -])?signal(?: intensity| intensities)?\b"
)
_WELL = re.compile(r"\bwell[- ](?:defined|demarcated|circumscribed|delineated|marginated)\b")
_POORLY = re.compile(
    r"\b(?:poorly|ill)[- ](?:defined|demarcated|circumscribed|delineated|marginated)\b|\bindistinct\b"
)
_THIN = re.compile(r"\ba (?:very )?thin ")
# In its place "midline" says that all is well, before "shift" it does not.
_MIDLINE = re.compile(r"\b(?:the )?midline (is |was )?(?=shift|deviat|displac)")
_IT_SHOWS = re.compile(r"^(?:it|this) (?:shows|contains|has|demonstrates|reveals) ")
_ASKS_SHOWN = re.compile(r"^(?:does|do) (?:the|this|these) .*\b(?:show|contain|have|demonstrate|reveal)\b")
_WEIGHTED = re.compile(
    r"\b(t1|t2|flair|diffusion|proton density)[ -]weighted(?: (?:images?|imaging|sequences?|mri|scans?))?\b"
)
_SHOWS_NOT = re.compile(
    r"^(?:the|this) image (?:does not|doesn't) (?:show|demonstrate|reveal|display|depict|contain|have)(?: any)? (?=[a-z])"
)
_SHOWS = re.compile(r"^(?:the|this) image (?:shows|demonstrates|reveals|displays|depicts) (?=[a-z])")
_ON_IMAGE = re.compile(
    r" (?:in|on) (?:the|this) (?:provided |given )?(?:image|scan|radiograph|picture)(?: provided)?$"
)
_ASKS_OF_IMAGE = re.compile(
    r"\b(?:image|scan|radiograph|x-?ray|film|picture|mri|ct|view|study|slice|plane)\b"
)
_LEVEL = re.compile(r"\b([ctls]\d{1,2}) ?[-/\u2013] ?([ctls]?\d{1,2})\b")


def plain(text: str, question: str) -> str:
    """A text in small letters with each of these in one form, where its question does not use the other."""
    asked = question.lower()
    if "'s" in text:
        text = _SHORTENED.sub(r"\1 is", text)
    if "signal" in text and "signal" not in asked:
        text = _SIGNAL.sub(lambda found: "hyperintensity" if found.group(1) else "hypointensity", text)
    if "defined" not in asked and "circumscribed" not in asked:
        text = _WELL.sub("sharp", text)
    if "thin" in text and "thin" not in asked:
        text = _THIN.sub("a small ", text)
    if "midline" in text and "midline" not in asked:
        text = _MIDLINE.sub(lambda found: "it is " if found.group(1) else "", text)
    if "it " in text and _ASKS_SHOWN.search(asked):
        text = _IT_SHOWS.sub("there is ", text)
    text = _POORLY.sub("irregular", text)
    if "weighted" in text and "weighted" not in asked:
        text = _WEIGHTED.sub(r"\1", text)
    return _shown(text, asked)


def _shown(text: str, asked: str) -> str:
    """A text without the picture that a finding is seen on, where its question names none: "the chest x-ray shows an effusion"
    as "there is an effusion".
    """
    if _ASKS_OF_IMAGE.search(asked):
        return text
    plainly = _SHOWS_NOT.sub("there is no ", source.named(text, asked))
    return _ON_IMAGE.sub("", _SHOWS.sub("there is ", plainly))


def levels(text: str) -> frozenset[str]:
    """The levels of the spine that a text in small letters names between two bones: "l4-l5", "l4/5"."""
    return frozenset(
        f"{above}-{below if below[0].isalpha() else above[0] + below}"
        for above, below in _LEVEL.findall(text)
    )


def without_levels(text: str) -> str:
    """A text in small letters without these."""
    return _LEVEL.sub("level", text)
