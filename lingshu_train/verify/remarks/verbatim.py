"""An answer beside the question's own words, as they stand there: "The left kidney contains the stone", "D is not seen"."""

from __future__ import annotations

import re
from functools import lru_cache

from lingshu_train.verify.gold import GoldAnswer, Ruling
from lingshu_train.verify.lexicon import texts, words
from lingshu_train.verify.text import canon
from lingshu_train.verify.text.normal import strip_edges

# A question that offers its answers, or asks for what is not so, lends no words: "Is this a CT or an MRI?", "Which is least
# likely?"
OFFERS = re.compile(
    r"\b(?:or|versus|vs|not|no|never|except|least|less|false|incorrect|wrong|unlikely|contraindicated|excluded|inappropriate"
    r"|untrue|without|other than|neither|cannot|avoid|against)\b|还是|不|非|错误|除|无|未|没"
)
# Where a question's own predicate comes again as it stands, it means the same: "A and C are contraindicated".
_OFFERS_MORE = re.compile(
    r"\b(?:or|versus|vs|not|no|never|except|least|less|without|other than|neither|cannot)\b|还是|不|非|除|无|未|没"
)
# What an option is a part of, or a picture is of: "the left atrium of the heart", "MRI of the brain".
_OF_WHOLE = re.compile(
    r" of the (?:human )?(?:brain|heart|lungs?|liver|kidneys?|eye|chest|abdomen|pelvis|spine|skin|body|head|neck|knee|patient)"
    r"(?:, (?:axial|coronal|sagittal|frontal|lateral) view)?$"
)
_OF_OWNER = re.compile(
    r"(\b(?:(?:upper|lower|middle) lobe|lingula)) of the (?:(?:left|right) )?lungs?$"
    r"|(\b(?:frontal|parietal|temporal|occipital) lobe) of the brain$|(\b(?:atrium|ventricle)) of the heart$",
    re.IGNORECASE,
)
_ASKED_PLACE = re.compile(r"\b(?:in|of|on|at|within) (?:the |this |that )?([a-z]+(?: [a-z]+){0,4})\W*$")
_SIDED = re.compile(r"(left|right)(?:-sided)? ", re.IGNORECASE)
_ASKS_NOT = re.compile(
    r"(?:which|what)\b[^?]*?\b(?:is|are|was|were|does|do) not ([a-z -]+)\W*$", re.IGNORECASE
)
_ASKED_NOT_CN = re.compile(
    "哪(?:一)?(?:项|个|种|些)?((?:不是|不属于|不包括|不会|不能|不符合)[^?？。]{2,20}?)[?？。]?$"
)
_UNRELATED_CN = re.compile("(?:与|和|同)(?:该|此|本)?[\u3400-\u9fff]{0,6}(?:无关|没有关系|无直接关系)")
_ASKED_NOT = re.compile(r"\bnot ([a-z -]+)", re.IGNORECASE)
_NOT = re.compile(
    r"\b(?:(?:does|do|did|is|are|was|were) not|doesn't|isn't|aren't|don't)(?: [a-z]+ly)? (?=([a-z]+))",
    re.IGNORECASE,
)
# A question for what is no feature is answered by "is not seen".
_PRESENCE = frozenset(
    (
        "seen",
        "present",
        "visible",
        "found",
        "shown",
        "feature",
        "features",
        "finding",
        "sign",
        "characteristic",
        "a",
        "part",
        "noted",
    )
)
_ASKS_ONE = re.compile(r"(?:which|what) ([a-z]+) is ((?:not )?[a-z]+)\W*$", re.IGNORECASE)
_SAID_NOT = re.compile(r"(.{1,80}?) (?:is|are|was|were|does|do) not ([a-z -]+)$", re.IGNORECASE)
_ON_IMAGE = re.compile(r" (?:in|on|of) <image \d+>$", re.IGNORECASE)
_ASKS_DONE = re.compile(
    r"(?:what|which(?: [a-z]+){1,3}) (?:does|do) (the [a-z0-9 -]+?|<image \d+>) ([a-z]{3,})(?: at| to)?"
    r"(?: with (?:an?|the) ([a-z]+))?$",
    re.IGNORECASE,
)
_IN_PLACE = re.compile(r" (?:in|on|of|at|from) .*$", re.IGNORECASE)
_ASKS_WHICH = re.compile(r"(?:which|what) [a-z]+ ((?:[a-z-]+ ){1,8}[a-z-]+)\W*$", re.IGNORECASE)


def without_question(text: str, question: str) -> str:
    """A text without the question's own noun and predicate before "is": "The false statement is B" of "Which statement is
    false?".
    """
    found = _ASKS_ONE.match(question)
    if found is None:
        return text
    noun, predicate = found.group(1).lower(), found.group(2).lower()
    for announced in (f"the {predicate} {noun} is ", f"the {noun} that is {predicate} is "):
        if text.lower().startswith(announced):
            return text[len(announced) :]
    return text


def read(text: str, gold: GoldAnswer, question: str) -> Ruling | None:
    """The ruling on an answer with the question's predicate behind it, denied where the question denies; None else."""
    absent = _said_absent(text, gold, question)
    if absent is not None:
        return absent
    low = text.lower()
    done = _done(question)
    said = done.fullmatch(text) if done else None
    if said is not None and (ruling := gold.read(strip_edges(said.group(1)))).status == "right":
        return ruling._replace(rule=f"{ruling.rule}_carried")
    for asked in _predicates(question):
        if low.endswith(asked):
            ruling = gold.read(strip_edges(text[: -len(asked)]))
            if ruling.status == "right":
                return ruling._replace(rule=f"{ruling.rule}_carried")
    return None


@lru_cache(maxsize=4096)
def _done(question: str) -> re.Pattern[str] | None:
    """What restates a question that asks what something does: "The box encloses ..." of "What does the box in this section
    enclose?", "The star marks ..." of "Which vessel does <image 1> mark with a star?". None for other questions.
    """
    found = _ASKS_DONE.match(_ON_IMAGE.sub("", question.rstrip("? ")))
    if found is None or _OFFERS_MORE.search(question.lower()):
        return None
    subject, verb, means = found.groups()
    subjects = {subject, _IN_PLACE.sub("", subject), "it", *([f"the {means}", means] if means else ())}
    named = "|".join(re.escape(one) for one in sorted(subjects, key=len, reverse=True))
    return re.compile(
        rf"(?:{named}) (?:clearly )?{re.escape(verb)}(?:e?s)?(?: (?:at|to))? (.+)", re.IGNORECASE
    )


def without_whole(text: str, question: str) -> str:
    """A text without the organ at its end that the answer is a part of, or the picture is of."""
    return text if OFFERS.search(question.lower()) else _OF_WHOLE.sub("", text)


def without_place(text: str, question: str, *, inside: bool = False) -> str:
    """A text without the place at its beginning that its question names: "Right lower lobe consolidation". `inside`: also
    where it stands inside a sentence, "the cause of the opacity in the right lung is".
    """
    found = _ASKED_PLACE.search(question.lower())
    if found is None:
        return text
    low, phrase = text.lower(), found.group(0).rstrip(" ?.")
    for verb in ("shows", "has", "demonstrates", "exhibits"):
        if low.startswith(before := f"the {found.group(1)} {verb} "):
            return text[len(before) :]
    if low.endswith(behind := f" of the {found.group(1)}"):
        return text[: -len(behind)]
    if low.startswith(f"{found.group(1)} "):
        return text[len(found.group(1)) + 1 :]
    sided = _SIDED.match(text)
    if sided and sided.group(1).lower() in found.group(1).split():
        return text[sided.end() :]
    while inside and phrase:
        place = low.find(f" {phrase} is ")
        if place > 0:
            return text[:place] + text[place + len(phrase) + 1 :]
        shorter = _ASKED_PLACE.search(phrase, 1)
        phrase = shorter.group(0) if shorter else ""
    return text


def denied_cn(text: str, gold: GoldAnswer, question: str) -> Ruling | None:
    """The ruling on 便秘不是该病的表现, where the question asks 哪项不是该病的表现; None else."""
    found = _ASKED_NOT_CN.search(question)
    if found is None or not text.rstrip("。. ").endswith(found.group(1)):
        return None
    ruling = gold.read(strip_edges(text.rstrip("。. ").removesuffix(found.group(1))))
    return ruling._replace(rule=f"{ruling.rule}_carried") if ruling.status == "right" else None


def without_owner(text: str) -> str:
    """A text without the organ that a part belongs to: "left upper lobe of the lung". Where any words are an answer, only of
    a part that no other organ has in its place.
    """
    return _OF_OWNER.sub(lambda found: next(filter(None, found.groups())), text)


def affirmed(sentence: str, question: str) -> str:
    """A sentence without the denial that its question asks for: "does not enhance", where that was asked, denies no answer."""
    asked = _asks_denied(question)
    denied = _ASKED_NOT_CN.search(question)
    if denied is not None:
        return _UNRELATED_CN.sub("", sentence).replace(denied.group(1), "")
    return (
        _NOT.sub(lambda found: "" if kin(found.group(1)) in asked else found.group(), sentence)
        if asked
        else sentence
    )


@lru_cache(maxsize=4096)
def _asks_denied(question: str) -> frozenset[str]:
    """The words behind "not" in a question, in the form in which kin are equal."""
    found = _ASKED_NOT.search(question)
    listed = words("words", "stop")
    if found is None:
        return frozenset()
    asked = frozenset(kin(word) for word in found.group(1).lower().split() if word not in listed)
    return asked | _PRESENCE if not _PRESENCE.isdisjoint(found.group(1).lower().split()) else asked


def kin(word: str) -> str:
    """A word in one form with its verb and noun: "enhance", "enhancement"."""
    return canon.word(texts("words", "same").get(word.lower(), word.lower()))


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
    asking = _ON_IMAGE.sub("", question.partition("?")[0].rstrip())
    found = _ASKS_WHICH.match(asking)
    if found is None or _OFFERS_MORE.search(asking.lower()):
        return ()
    asked = found.group(1).lower().split()
    return tuple(" " + " ".join(asked[place:]) for place in range(len(asked)))
