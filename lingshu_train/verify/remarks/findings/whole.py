"""Whether the reason behind a yes or no can be read whole, and then says the same: no word unknown, no clause on the other
side.

A clause claims that the finding asked for is "there" or "gone", something else "abnormal" or "normal", the finding
"elsewhere", or by a place or a size alone no more than yes ("bare"). Where a question asks for a normal state, or whether a
finding is gone, a yes is the claim that a no is elsewhere.
"""

from __future__ import annotations

import re
from functools import lru_cache

from lingshu_train.verify.lexicon import lists, words
from lingshu_train.verify.remarks import source
from lingshu_train.verify.remarks.findings import han, limits, places, plainly, predicates, vocabulary, worded
from lingshu_train.verify.remarks.findings.sought import asked as sought
from lingshu_train.verify.remarks.findings.statements import proposition
from lingshu_train.verify.remarks.findings.vocabulary import Asked, Claim, denials, known, plain
from lingshu_train.verify.text import asks

_END = re.compile(
    r"[,;:!()\n]|\.(?![0-9])| - |\b(?:{})\b|(?=\bwithout\b)|(?=\bwith no\b)".format(
        "|".join(vocabulary.JOINING)
    )
)
_TOKEN = re.compile(r"[a-z]+(?:'t)?|[0-9]+(?:\.[0-9]+)?")
_IDENTITY = re.compile(
    r"^(?:is|was) (?:this|it|that|the (?:image|scan|picture|study|film|view|shown image))\b"
)
_COMPARED = re.compile(r"\b(?:below|under|above|over|less|more|than|exceeds?|up to|within|at) [0-9]")
_NO_DOUBT = re.compile(r"\b(?:no|without|beyond)(?: a| any)? doubt\b(?: about| of| that)?")
_NO_LONGER = re.compile(r"\bno longer (?:visible|seen|present|there|detectable|evident)?")
_STILL = re.compile(
    r"\bstill (?:visible|seen|present|there|detectable|evident)\b|\bpersists\b|\bpersisting\b"
)
_COUPLED = re.compile(r"(?:^|(?<=[,.;:!]))[a-z ]{2,40}? and [a-z ]{2,40}?(?= (?:are|were|appear|look)\b)")
_MEASURED = re.compile(r"\b(?:measures|measuring|is|of) [0-9.]+ ?(?:mm|cm|%)$")
# "Preserved in height and signal".
_IN_BOTH = re.compile(r"\b(in [a-z]+) and ([a-z]+)(?=[,.;:!]|$)")
_COPULAR = frozenset(("this", "that", "it", "is", "are", "a", "an", "the", "not"))
_VERB = re.compile(r"\b(?:is|are)\b")
_TWO = 2
# "A mass was seen" tells of the picture, "it was normal" of another time; "not a little" is much.
_PAST = re.compile(
    r"\b(?:was|were)\b(?! (?:not )?(?:clearly )?(?:seen|noted|identified|found|observed|detected|visuali[sz]ed|shown"
    r"|demonstrated|used|given|administered|injected|performed|obtained|acquired|removed|resected|drained|excised|clipped))"
    r"|\b(?:second|other|another) (?:patient|person|case|man|woman|child)\b"
    r"|\bnot (?:an? )?(?:little|small|tiny|few|minimal|slight|mild)\b"
)
_ASKS_PAST = re.compile(r"\b(?:was|were|did|had|been)\b")
# "The fracture line is a vessel": what is called by the name of something that is no finding is none.
_CALLED = re.compile(
    r"\b(?:is|are|being|represents|represent) (?:just |only |merely )?(?:an?|the) (?:[a-z-]+ ){0,4}?([a-z]+)$"
)
_ANY_NAME = frozenset(
    ("one", "type", "kind", "finding", "sign", "feature", "abnormality", "view", "image", "slice", "scan")
)
# "Not both kidneys are enlarged" is no denial of each.
_ASKS_OF_ALL = re.compile(r"\b(?:all|both|every|each|any)\b")
_ASSERTING = frozenset(
    (
        "there",
        "shows",
        "show",
        "seen",
        "visible",
        "present",
        "demonstrates",
        "reveals",
        "noted",
        "has",
        "identified",
        "is",
        "are",
    )
)


def agrees(sign: str, tail: str, question: str) -> bool:
    """Whether every clause of what follows a yes or no (in small letters) can be read and takes its side."""
    if any("\u3400" <= char <= "\u9fff" for char in tail):
        claims = han.claims(tail, question, sign)
        return claims is not None and _one_sided(
            claims, abnormal=(sign == "yes") != bool(_normal_cn(question))
        )
    asked = _asked(question)
    claims, measures = [], 0
    for clause in map(str.strip, _END.split(_IN_BOTH.sub(r"\1 \2", _COUPLED.sub(_joined, tail)))):
        if not any(map(str.isalnum, clause)):
            continue
        claim = _claim(clause, asked, sign, question)
        if claim is None:
            return False
        if claim == Claim("bare") and _MEASURED.search(clause):
            measures += 1
        else:
            claims.append(claim)
    if claims not in ([Claim("normal")], [Claim("gone")]):
        # "It measures 2 mm, which is normal": a measure alone says nothing.
        claims += [Claim("bare")] * measures
    return _one_sided(
        claims, abnormal=(sign == "yes") != asked.normal, anything=asked.normal and not asked.gone
    )


def _joined(found: re.Match[str]) -> str:
    """Two subjects of one verb as one: "the ventricles and sulci are normal"."""
    return (
        found.group()
        if not words("vocabulary", "verbs").isdisjoint(found.group().split())
        else found.group().replace(" and ", " ")
    )


def states(text: str, question: str) -> str:
    """The sign of one clause without yes or no: it says that the finding asked for is there ("there is a small apical
    pneumothorax"), or calls normal the very thing that the question asks for. Empty where it does neither.
    """
    if not text.isascii():
        named = han.subject(question)
        normal = han.claims(text, question, "no") == [Claim("normal")]
        return "no" if normal and named and text.startswith(named) and not _normal_cn(question) else ""
    asked = _asked(question)
    tokens = _TOKEN.findall(text)
    if not asked.gone and asked.words | _turning(question) >= frozenset(map(plain, tokens)) - _COPULAR:
        # Nothing but the question's words and their opposites: "this is a benign lesion".
        restated = proposition(text, question) if len(_VERB.findall(text)) == 1 else ""
        if (
            restated
            and (denied := denials(tokens)) < _TWO
            and not (denied and _ASKS_OF_ALL.search(question.lower()))
        ):
            return restated
    if asked.identity and text.startswith(("this is", "it is")):
        spoken_words = list(map(plain, tokens))
        for sign, side in (("yes", "there"), ("no", "gone")):
            if plainly.of_identity(spoken_words, tokens, asked, side) == Claim(side):
                return sign
    if asked.gone or asked.identity or denials(tokens) or _END.search(text):
        return ""
    spoken = frozenset(map(plain, tokens))
    claim = _claim(text, asked, "yes" if asked.normal else "no", question)
    if claim in (Claim("normal"), Claim("gone")):
        itself = bool(asked.places) and asked.places <= spoken
        # With a second verb it says a second thing: "the heart is of normal size the heart is enlarged".
        alone = sum(token in words("vocabulary", "verbs") for token in tokens) < 2
        subject = alone and (itself or (asked.normal and tokens[:1] == ["it"]))
        return "" if not subject else "yes" if asked.normal else "no"
    if asked.normal or not asked.finding or _ASSERTING.isdisjoint(tokens) or not asked.finding <= spoken:
        return ""
    return "yes" if _claim(text, asked, "yes", question) == Claim("there") else ""


@lru_cache(maxsize=4096)
def _turning(question: str) -> frozenset[str]:
    """Words that say the opposite of a word of the question."""
    asked = frozenset(map(plain, _TOKEN.findall(question.lower())))
    found = (
        other for base, others in lists("words", "opposites").items() if base in asked for other in others
    )
    return frozenset(map(plain, found))


def _one_sided(claims: list[Claim], *, abnormal: bool, anything: bool = False) -> bool:
    """Whether claims agree with a finding that is there (`abnormal`) or with one that is not. `anything`: whatever is not
    normal is what was asked for.
    """
    said = {claim.kind for claim in claims}
    if abnormal:
        if "there" in said:
            return said <= {"there", "abnormal", "entity", "bare", "normal", "absent"}
        found = {"abnormal", "bare", "absent", "entity"} if anything else {"abnormal", "bare", "absent"}
        return said <= found and said != {"absent"}
    if "gone" in said:
        return said <= {"gone", "normal", "elsewhere", "abnormal", "entity", "denied", "absent"}
    return said <= {"normal", "elsewhere", "denied", "absent"}


@lru_cache(maxsize=4096)
def _asked(question: str) -> Asked:
    # "In this chest X-ray" names the picture and no place.
    low = source.named(question.lower(), question)
    tokens = frozenset(map(plain, _TOKEN.findall(low)))
    finding = tokens & known("abnormal")
    if "malignancy" in finding:
        finding |= known("malignancies")
    exact = sought(question)
    gone = exact is not None and exact.gone
    normal = asks.asks_normal(question) == "normal" or bool(
        tokens & known("questions_normal") and not finding
    )
    names = tokens & (known("modalities") | known("planes") | known("weights"))
    identity = names if _IDENTITY.match(low) and not finding and not normal else frozenset[str]()
    if not finding and exact is not None and exact.exists:
        finding = frozenset((exact.noun,))
    predicate = [word for word in map(plain, _TOKEN.findall(low)) if word not in _COPULAR][-1:]
    if finding and not gone and known("questions_normal").issuperset(predicate) and predicate:
        # "Is the mass well circumscribed?" asks for a property of the mass.
        finding, normal = frozenset(), True
    loose = known("places") | known("sizes") | known("struct") | known("abnormal")
    narrowing = (
        frozenset(map(plain, exact.narrowing)) - loose
        if exact is not None and exact.exists
        else frozenset[str]()
    )
    return Asked(
        finding, (tokens & known("places")) - finding, tokens, narrowing, normal or gone, gone, identity
    )


def _claim(clause: str, asked: Asked, sign: str, question: str) -> Claim | None:
    """What a clause claims; None where it cannot be read."""
    at, sought_at = worded.levels(clause), worded.levels(question.lower())
    if not at or not sought_at:
        return _said(clause, asked, sign, question)
    if at.isdisjoint(sought_at):
        return Claim("elsewhere")
    question = worded.without_levels(question.lower())
    return _said(worded.without_levels(clause), _asked(question), sign, question)


def _said(clause: str, asked: Asked, sign: str, question: str) -> Claim | None:
    """As `_claim`, where no level of the spine has to be compared."""
    tokens = _TOKEN.findall(_NO_DOUBT.sub(" ", clause).replace("-", " "))
    if not tokens:
        return Claim("bare")
    spoken = [plain(token) for token in tokens]
    side = "there" if (sign == "yes") != asked.normal else "gone"
    if asked.gone:
        tokens = _TOKEN.findall(_STILL.sub("unresolved", _NO_LONGER.sub("gone", clause.replace("-", " "))))
        spoken = [plain(token) for token in tokens]
    if _PAST.search(clause) and not _ASKS_PAST.search(question.lower()):
        return None
    if plainly.is_pronoun(tokens):
        return plainly.of_pronoun(tokens, sign, side, gone=asked.gone)
    if asked.identity:
        return plainly.of_identity(spoken, tokens, asked, side)
    restated = "" if asked.gone else proposition(clause, question)
    if restated:
        return Claim(side) if restated == sign else None
    measured, beside = limits.measured(clause)
    if measured and not denials(tokens) and all(plain(word) in known("known") for word in beside):
        return Claim(measured)
    if not all(word in known("known") or word in asked.words or word[0].isdigit() for word in spoken):
        return None
    if _names_no_finding(clause, asked) or (sign == "yes" and predicates.other(frozenset(spoken), question)):
        return None
    if _COMPARED.search(clause) or places.other_device(asked.words, frozenset(spoken)):
        # Which size is normal is not said here.
        return None
    if vocabulary.opposite_place(asked.words, frozenset(spoken)):
        return Claim("elsewhere")
    weighed = _of_subject(spoken, asked)
    claim = vocabulary.weigh(weighed, denials(tokens), asked.finding, asked.places)
    return claim if claim is not None and _holds(claim, tokens, weighed, asked) else None


def _of_subject(spoken: list[str], asked: Asked) -> list[str]:
    """The words of a clause without the finding whose state is asked for: the mass of "Is the mass well circumscribed?"."""
    if not asked.normal or asked.gone:
        return spoken
    return [word for word in spoken if word not in asked.words or word not in known("abnormal")]


def _names_no_finding(clause: str, asked: Asked) -> bool:
    """Whether a clause calls something by the name of a part of the body or a picture that its question does not speak of."""
    called = _CALLED.search(clause)
    if called is None:
        return False
    name = plain(called.group(1))
    other = known("abnormal") | known("normal") | asked.words | _ANY_NAME
    return name not in other and name in known("struct") | known("places")


def _holds(claim: Claim, tokens: list[str], spoken: list[str], asked: Asked) -> bool:
    """Whether a clause may claim what its words weigh, for this question."""
    said = frozenset(spoken)
    if claim.kind == "bare":
        other = places.other_description(asked.words, said)
        return not other and places.alone(tokens, asked.words, described=asked.described)
    if claim.kind == "denied":
        # "It is not small", "the left one is not": that denies a size, or that all is normal.
        return not (asked.normal and not asked.gone) and known("sizes").isdisjoint(said)
    if claim.kind == "normal":
        return not asked.normal or not vocabulary.elsewhere(said, asked.places)
    return claim.kind != "there" or asked.narrowing.issubset(said)


def _normal_cn(question: str) -> bool:
    return han.asks_normal(question) or han.asks_gone(question)
