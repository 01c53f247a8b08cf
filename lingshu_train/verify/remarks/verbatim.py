"""An answer beside the question's own words, as they stand there: "The left kidney contains the stone", "D is not seen"."""

from __future__ import annotations

import re
from functools import lru_cache

from lingshu_train.verify.gold import GoldAnswer, Ruling
from lingshu_train.verify.text.normal import strip_edges

# A question that offers its answers, or asks for what is not so, lends no words: "Is this a CT or an MRI?", "Which is least
# likely?"
OFFERS = re.compile(
    r"\b(?:or|versus|vs|not|no|never|except|least|less|false|incorrect|wrong|unlikely|contraindicated|excluded|inappropriate"
    r"|untrue|without|other than|neither|cannot|avoid)\b|还是|不|非|错误|除|无|未|没"
)
# What an option is a part of, or a picture is of: "the left atrium of the heart", "MRI of the brain".
_OF_WHOLE = re.compile(
    r" of the (?:human )?(?:brain|heart|lungs?|liver|kidneys?|eye|chest|abdomen|pelvis|spine|skin|body|head|neck|knee|patient)"
    r"(?:, (?:axial|coronal|sagittal|frontal|lateral) view)?$"
)
_ASKS_NOT = re.compile(
    r"(?:which|what)\b[^?]*?\b(?:is|are|was|were|does|do) not ([a-z -]+)\W*$", re.IGNORECASE
)
_SAID_NOT = re.compile(r"(.{1,80}?) (?:is|are|was|were|does|do) not ([a-z -]+)$", re.IGNORECASE)
_ASKS_WHICH = re.compile(r"(?:which|what) [a-z]+ ((?:[a-z-]+ ){1,8}[a-z-]+)\W*$", re.IGNORECASE)


def read(text: str, gold: GoldAnswer, question: str) -> Ruling | None:
    """The ruling on an answer with the question's predicate behind it, denied where the question denies; None else."""
    absent = _said_absent(text, gold, question)
    if absent is not None:
        return absent
    low = text.lower()
    for asked in _predicates(question):
        if low.endswith(asked):
            ruling = gold.read(strip_edges(text[: -len(asked)]))
            if ruling.status == "right":
                return ruling._replace(rule=f"{ruling.rule}_carried")
    return None


def without_whole(text: str, question: str) -> str:
    """A text without the organ at its end that the answer is a part of, or the picture is of."""
    return text if OFFERS.search(question.lower()) else _OF_WHOLE.sub("", text)


def _said_absent(text: str, gold: GoldAnswer, question: str) -> Ruling | None:
    """The ruling on "effusion is not seen", in the words in which a question asks what is not seen."""
    asked, said = _ASKS_NOT.match(question), _SAID_NOT.match(text)
    if (
        asked is None
        or said is None
        or not f"{asked.group(1)} ".lower().startswith(f"{said.group(2)} ".lower())
    ):
        return None
    ruling = gold.read(said.group(1))
    return ruling._replace(rule=f"{ruling.rule}_carried") if ruling.status == "right" else None


@lru_cache(maxsize=4096)
def _predicates(question: str) -> tuple[str, ...]:
    """The ends of a question that may be its predicate, the longest first: "contains the stone" of "Which organ contains the
    stone?".
    """
    found = _ASKS_WHICH.match(question)
    if found is None or OFFERS.search(question.lower()):
        return ()
    asked = found.group(1).lower().split()
    return tuple(" " + " ".join(asked[place:]) for place in range(len(asked)))
