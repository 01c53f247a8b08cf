"""A finding that leads to an option: "The spiculated mass is most consistent with carcinoma", "which suggests carcinoma"."""

from __future__ import annotations

import re

from lingshu_train.verify.gold import GoldAnswer, Ruling
from lingshu_train.verify.lexicon import words
from lingshu_train.verify.options import Options
from lingshu_train.verify.remarks import others, reason
from lingshu_train.verify.text import cues
from lingshu_train.verify.text.normal import LIMIT, strip_edges

LEADS = re.compile(
    r",? (?:(?:which|that|this|and) )?(?:is|are|would be )?(?: ?(?:most|highly|strongly|more|clearly|classically) )?"
    r"(?: ?(?:consistent|compatible) with| ?(?:characteristic|diagnostic|typical|pathognomonic|indicative|suggestive)"
    r" (?:of|for)"
    r"| ?(?:shows?|has|have|demonstrates?|exhibits?) (?:the |all )?(?:typical |classic |characteristic )?"
    r"(?:features|appearance|signs|pattern) of"
    r"| ?(?:is |are )?(?:a |the )(?:hallmark|feature|sign)s? of"
    r"| in keeping with| ?(?:best )?(?:fits?|match(?:es)?|corresponds? to)"
    r"| ?suggests?| ?suggesting| ?indicates?| ?indicating| ?points? to(?:ward|wards)?| ?pointing to| ?confirms?| ?supports?"
    r"| ?favou?rs?) (?:that (?:it|this) is |(?:a |the )?(?:most likely )?diagnosis of )?(?:an? |the )?",
    re.IGNORECASE,
)
# "The filling defect makes pulmonary embolism the best answer".
_MAKES = re.compile(
    r",? (?:(?:which|that|this|and) )?(?:makes?|making|renders?) (?:the )?(?:option |answer |choice )?(.{1,120}?)"
    r" (?:as )?(?:the )?(?:single )?(?:right|correct|best|likeliest|most (?:likely|probable|appropriate|fitting|plausible))"
    r"(?: (?:answer|option|choice|diagnosis|explanation|cause|fit|description|finding|one))?$",
    re.IGNORECASE,
)
# "In more than half of the glomeruli" compares nothing with anything.
_SHARE = re.compile(
    r"\b(?:more|less) than (half|[0-9]+(?:\.[0-9]+)? ?(?:%|percent|mm|cm)?|one|two|three|a third)",
    re.IGNORECASE,
)
# "The absence of lung markings" is a finding, "the absence of findings" is none.
_ABSENCE = re.compile(
    r"^the (?:absence|lack|loss) of (?:normal )?"
    r"(?!(?:any|findings?|signs?|evidence|abnormalit|this|that|these|such|it|features?)\b)",
    re.IGNORECASE,
)
# "The referring doctor suggests pneumonia" tells of an opinion.
_PERSONS = re.compile(
    r"\b(?:reports?|requests?|referr\w+|doctors?|physicians?|clinicians?|radiologists?|pathologists?|colleagues?|literature|friends?|he|she"
    r"|they|you|someone|wife|mother|husband|father|parents?)\b",
    re.IGNORECASE,
)
_FEWEST = 2
ASKS_OTHER = re.compile(
    r"\b(?:not|no|never|except|least|less|unlikely|exclude|excluded|incorrect|false|wrong|against)\b",
    re.IGNORECASE,
)


def read(text: str, gold: GoldAnswer, options: Options, letter: str, question: str) -> Ruling | None:
    """The ruling on the option at the end of a sentence whose subject and verb lead to it; None where there is none."""
    if len(text) > LIMIT or "?" in text or not text.isascii() or ASKS_OTHER.search(question):
        return None
    made = _MAKES.search(text)
    leads = [(text[: made.start()], made.group(1))] if made else []
    leads += [(text[: found.start()], strip_edges(text[found.end() :])) for found in LEADS.finditer(text)]
    for subject, option in leads:
        ruling = gold.read(option) if len(option) > 1 or option.isupper() else Ruling("unreadable", "none")
        if ruling.status == "right" and _tells(subject, options, letter):
            return ruling._replace(rule=f"{ruling.rule}_led_to")
    return None


def tells(subject: str) -> bool:
    """Whether a subject is a finding: no denial, no doubt, no other case or time, nothing that might be."""
    subject = _SHARE.sub(r"\1", subject)
    subject = _ABSENCE.sub("", subject)
    found = cues.plain_words(subject)
    return (
        len(found) >= _FEWEST
        and _PERSONS.search(subject) is None
        and words("others", "unsure").isdisjoint(found)
        and words("words", "retraction").isdisjoint(found)
        and not (cues.negates(subject) or cues.hedges(subject) or cues.revises_firmly(subject))
    )


def _tells(subject: str, options: Options, letter: str) -> bool:
    """Whether a subject is a finding and names no other option."""
    return (
        tells(subject)
        and not others.names_any(
            _SHARE.sub(r"\1", subject), {name: text for name, text in options.shown.items() if name != letter}
        )
        and not reason.names_another(_ABSENCE.sub("", subject), letter, options)
    )
