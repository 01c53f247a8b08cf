"""A finding that leads to an option: "The spiculated mass is most consistent with carcinoma", "which suggests carcinoma"."""

from __future__ import annotations

import re

from lingshu_train.verify.gold import GoldAnswer, Ruling
from lingshu_train.verify.lexicon import words
from lingshu_train.verify.options import Options
from lingshu_train.verify.remarks import others, reason
from lingshu_train.verify.text import cues
from lingshu_train.verify.text.normal import LIMIT, strip_edges

_LEADS = re.compile(
    r",? (?:(?:which|that|this|and) )?(?:is|are|would be )?(?: ?(?:most|highly|strongly|more|clearly|classically) )?"
    r"(?: ?(?:consistent|compatible) with| ?(?:characteristic|diagnostic|typical|pathognomonic|indicative|suggestive)"
    r" (?:of|for)"
    r"| ?suggests?| ?suggesting| ?indicates?| ?indicating| ?points? to(?:ward|wards)?| ?pointing to| ?confirms?| ?supports?"
    r"| ?favou?rs?) (?:(?:a |the )?(?:most likely )?diagnosis of )?(?:an? |the )?",
    re.IGNORECASE,
)
_FEWEST = 3
ASKS_OTHER = re.compile(
    r"\b(?:not|no|never|except|least|less|unlikely|exclude|excluded|incorrect|false|wrong|against)\b",
    re.IGNORECASE,
)


def read(text: str, gold: GoldAnswer, options: Options, letter: str, question: str) -> Ruling | None:
    """The ruling on the option at the end of a sentence whose subject and verb lead to it; None where there is none."""
    if len(text) > LIMIT or "?" in text or not text.isascii() or ASKS_OTHER.search(question):
        return None
    for found in _LEADS.finditer(text):
        subject, option = text[: found.start()], strip_edges(text[found.end() :])
        ruling = gold.read(option) if option and len(option) > 1 else Ruling("unreadable", "none")
        if ruling.status == "right" and _tells(subject, options, letter):
            return ruling._replace(rule=f"{ruling.rule}_led_to")
    return None


def _tells(subject: str, options: Options, letter: str) -> bool:
    """Whether a subject is a finding: no option, no denial, no doubt, no other case or time, nothing that might be."""
    found = cues.plain_words(subject)
    return (
        len(found) >= _FEWEST
        and words("others", "unsure").isdisjoint(found)
        and words("words", "retraction").isdisjoint(found)
        and not (cues.negates(subject) or cues.hedges(subject) or cues.revises_firmly(subject))
        and not others.names_any(subject, options.shown)
        and not reason.names_another(subject, letter, options)
    )
