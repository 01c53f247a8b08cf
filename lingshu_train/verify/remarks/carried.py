"""An answer inside a sentence that carries it and says no more: "The mass lies in the left upper lobe.", 病变位于肝脏内.

The sentence may add the question's own words and those of a closed list that present, place and name, but not deny, compare,
limit or doubt. Of what is left in one piece the type's own grammar must say that it is an answer.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from lingshu_train.verify.gold import GoldAnswer, Reads, Ruling
from lingshu_train.verify.lexicon import words
from lingshu_train.verify.remarks import carried_cn, lent, placed, source, verbatim
from lingshu_train.verify.text import canon
from lingshu_train.verify.text.normal import LIMIT, strip_edges

_TOKEN = re.compile(r"[A-Za-z0-9]+(?:[-'][A-Za-z0-9]+)*|\S")
_WORD = re.compile(r"[a-z]+(?:[-'][a-z]+)*")
_PLACING = frozenset(
    (
        "in",
        "on",
        "at",
        "of",
        "under",
        "above",
        "below",
        "behind",
        "within",
        "near",
        "between",
        "around",
        "inside",
        "along",
    )
)
# "Which is not seen?": a sentence that says what is seen names another one than the answer.
_ASKS_ABSENT = re.compile(
    r"\b(?:not|except|never|absent|avoid(?:ed)?|contraindicated|withheld|stopped|discontinued|spared|excluded)\b",
    re.IGNORECASE,
)
# Named among others: "B is an option".
_ONE_OF = re.compile(
    r"\b(?:an?|one|some|another|any) (?:[a-z]+ )?"
    r"(?:options?|choices?|answers?|possibility|possibilities|candidates?|alternatives?)\b",
    re.IGNORECASE,
)
_TO_SEE = re.compile(r"\bto (?:see|show|have|find|exclude|be found)\b", re.IGNORECASE)
_SEEN = frozenset(
    ("seen", "visible", "present", "shown", "noted", "identified", "observed", "visualized", "found")
)
_ASKS_SEEN = re.compile(
    r"\b(?:seen|visible|present|shown|noted|identified|observed|visuali[sz]ed|found|shows?|depicts?)\b",
    re.IGNORECASE,
)
_ASKS_STATE = re.compile(
    r"\b(?:which|what) (?:(?:[a-z]+ ){1,3}?(?:is|are|was|were) (?!most|the|likely|best|a|an|in|on)[a-z]+"
    r"|[a-z]+ [a-z]{3,}s (?:the|an?)\b)",
    re.IGNORECASE,
)
_TELLS_ANSWER = re.compile(r"\b(?:answer|option|choice)\b", re.IGNORECASE)
_SAYS_SO = re.compile(
    r"\b(?:seen|visible|present|shown|given|done|used|noted|found|indicated|needed)\b", re.IGNORECASE
)
# "The fibula shows a fracture": what was asked for stands behind these.
_HOLDING = frozenset(("shows", "has", "contains"))
_MOST = 14
# So many spans are tried: a text made of such words alone must not cost more than its length.
_TRIED = 32
_PAST = re.compile(
    r"\b(?:has|have|had) left\b|\b(?:was|were|had been|used to be) (?:in|on|at|within|inside|near|the|a|an)\b",
    re.IGNORECASE,
)
_ASKS_PAST = re.compile(r"\b(?:was|were|did|had|been)\b", re.IGNORECASE)
_ASKS_ORGAN = re.compile(r"\b(?:which|what) organ (?!system)", re.IGNORECASE)
# A break in a part of a bone is one of the bone: "a fracture through the shaft of the ulna".
_PART = re.compile(
    r" (?:line )?(?:(?:runs?|extends?|passes|courses|is seen) )?(?:(?:through|across|involving|in|of) )"
    r"(?:the (?:[a-z]+ ){0,2}(?:shaft|neck|head|tail|base|body|tip|apex|third|half|end"
    r"|portion|segment|part|root|wall) of )?(?=the [a-z])"
)
_SIDED = frozenset(("right-sided", "left-sided", "right", "left", "bilateral", "unilateral"))
# What was, or comes and goes, is not what a question asks for.
_OTHER_TIMES = frozenset(("old", "new", "chronic", "stable", "unchanged", "partial", "incomplete"))
# "20 mGy at most" is no quantity but a limit.
_LIMITS = frozenset(("most", "at", "best", "least", "more", "less", "up", "to"))


def read(text: str, gold: GoldAnswer, question: str, offered: frozenset[str] = frozenset()) -> Ruling | None:
    """The ruling on the answer that a sentence carries; None where it carries none. `offered`: the words of all options."""
    if len(text) > LIMIT or "?" in text:
        return None
    if not text.isascii() and carried_cn.HAN.search(text):
        return verbatim.denied_cn(text, gold, question) or carried_cn.read(text, gold, question)
    past = _past(text, question)
    plainer = _plainer(text, gold, question, offered)
    if plainer != text and not past and (ruling := gold.read(plainer)).status == "right":
        return ruling._replace(rule=f"{ruling.rule}_carried")
    said = verbatim.read(plainer, gold, question)
    if said is not None:
        return said
    shorter = _without_place(plainer, gold, question, offered)
    if shorter != plainer and not past:
        ruling = gold.read(shorter)
        return ruling if ruling.status == "right" else read(shorter, gold, question, offered)
    if past or _other_way(plainer, question) or _ONE_OF.search(plainer) or _TO_SEE.search(plainer):
        return None
    return _in_sentence(plainer, gold, question, offered)


def _plainer(text: str, gold: GoldAnswer, question: str, offered: frozenset[str]) -> str:
    """A text whose picture is "the image", without the question's place at its beginning, and with a bone for its part."""
    text = source.named(text, question, offered)
    text = verbatim.without_place(text, question, inside=gold.reads == "choices")
    if (offered and _ASKS_STATE.search(question)) or _ASKS_ORGAN.search(question):
        return _PART.sub(" of ", text)
    return text


def _without_place(text: str, gold: GoldAnswer, question: str, offered: frozenset[str]) -> str:
    """A text without the organ or the place at its end that its answer lies in."""
    if gold.reads == "choices" or source.asks_picture(question):
        text = verbatim.without_whole(text, question)
    return placed.without_phrase(text, question, offered) if offered else text


def _in_sentence(text: str, gold: GoldAnswer, question: str, offered: frozenset[str]) -> Ruling | None:
    """The ruling on the part of a sentence that is left when words which carry no answer are cut off from both its ends."""
    tokens = [found.span() for found in _TOKEN.finditer(text)]
    # A capital letter inside a sentence is an option, not the article.
    shown = [text[start:end] for start, end in tokens]
    spoken = [word if index and len(word) == 1 else word.lower() for index, word in enumerate(shown)]
    # "in the left lower lobe" as the question has it: its sides are no answer there.
    again = _phrase(spoken, question)
    if again:
        shorter = text[: tokens[-again][0]].rstrip(" ,")
        ruling = gold.read(shorter)
        if ruling.status == "right":
            return ruling._replace(rule=f"{ruling.rule}_carried")
        text, tokens, spoken = shorter, tokens[:-again], spoken[:-again]
    for start, end in _spans(spoken, gold, question, offered):
        ruling = gold.read(strip_edges(text[tokens[start][0] : tokens[end - 1][1]]))
        cut = spoken[:start] + spoken[end:]
        carries = again or _carries(cut)
        if ruling.status == "right" and carries and not _only_seen(spoken[start:end], cut, question):
            return ruling._replace(rule=f"{ruling.rule}_carried")
    return None


def _other_way(text: str, question: str) -> bool:
    """Whether a question asks what is not so, or not to be done, and a sentence says what is: "should be given"."""
    asked = _ASKS_ABSENT.search(question)
    if asked is None or asked.group().lower() in text.lower():
        return False
    return _TELLS_ANSWER.search(text) is None or _SAYS_SO.search(text) is not None


def _past(text: str, question: str) -> bool:
    """Whether a sentence tells of what was, where the question asks for what is: "the stone has left the kidney", "it was in
    the left kidney".
    """
    return _PAST.search(text) is not None and _ASKS_PAST.search(question) is None


def _spans(
    spoken: list[str], gold: GoldAnswer, question: str, offered: frozenset[str]
) -> list[tuple[int, int]]:
    """What may be the answer in a sentence of words, as places of its first word and behind its last, the shortest first."""
    sets = _word_sets(question, gold.reads, offered)
    own, follows, behind = sets.own, sets.follows, sets.behind
    if spoken[:2] == ["it", "is"]:
        follows |= {"that"}
    if gold.reads == "words" and (kind := lent.nouns(question)):
        # "The gastrointestinal system" of "What organ system": any of its nouns may follow.
        follows |= frozenset(word for word in spoken if canon.word(word) in kind)
    describing = _describing(spoken, own, sets.kinds)
    ahead = sets.ahead | describing if describing else sets.ahead
    last = len(spoken)
    described = sets.described | describing
    heads = [cut for cut in (0, *_run(spoken, ahead)) if not cut or _leads(spoken, cut, own, described)]
    ends = [last - cut for cut in (0, *_run(spoken[::-1], behind))]
    tails = [end for end in ends if end == last or spoken[end] in follows or spoken[end - 1] == ","]
    return _shortest([(start, end) for start in heads for end in tails if start < end and end - start < last])


class _WordSets(NamedTuple):
    """What may be cut off: `behind` at the end, `ahead` at the beginning, of which `described` tell how a thing looks, as do
    `kinds` right before a word of the question (`own`); `follows` may stand right behind an answer.
    """

    own: frozenset[str]
    follows: frozenset[str]
    behind: frozenset[str]
    ahead: frozenset[str]
    described: frozenset[str]
    kinds: frozenset[str]


@lru_cache(maxsize=4096)
def _word_sets(question: str, reads: Reads, offered: frozenset[str]) -> _WordSets:
    own = lent.words_of(question)
    known = own | words("carriers", "words")
    if reads == "grammar":
        known -= _LIMITS
    # One option of several is named where a noun of the question follows it: "Right lower lobe consolidation is seen".
    follows = words("carriers", "after") | (own | _HOLDING if reads == "choices" else frozenset())
    if not offered:
        return _WordSets(own, follows, known, known, frozenset(), frozenset())
    # How large or how old a thing is tells no option from another, unless one of them says so; behind it, it may. Which
    # plane or weighting a picture has may stand on either side.
    behind = known | (words("vocabulary", "planes") | words("vocabulary", "weights")) - offered
    ahead = behind | (words("vocabulary", "sizes") - offered)
    if _SIDED.isdisjoint(offered) and _SIDED.isdisjoint(_WORD.findall(question.lower())):
        ahead |= _SIDED
    kinds = (words("carriers", "kinds") | words("vocabulary", "describing")) - offered - _OTHER_TIMES
    return _WordSets(own, follows, behind, ahead, ahead - behind, kinds)


def _describing(spoken: list[str], own: frozenset[str], kinds: frozenset[str]) -> frozenset[str]:
    """Words that describe what the question asks about, right before one of its words: "a compression fracture of L1"."""
    if kinds.isdisjoint(spoken):
        return frozenset()
    return frozenset(
        word
        for place, (word, following) in enumerate(pairwise(spoken))
        if word in kinds and (not place or following in own or following in kinds)
    )


def _leads(spoken: list[str], cut: int, own: frozenset[str], described: frozenset[str]) -> bool:
    """Whether an answer may begin behind so many words: "shows a", "an enlarged", "large"."""
    while cut and spoken[cut - 1] in described:
        cut -= 1
    return (
        not cut
        or spoken[cut - 1] in words("carriers", "before")
        or (cut > 1 and spoken[cut - 1] in own and spoken[cut - 2] in ("a", "an", "the"))
    )


def _shortest(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return sorted(spans, key=lambda span: (span[1] - span[0], span))[:_TRIED]


def _run(spoken: list[str], known: frozenset[str]) -> list[int]:
    """How many words may be cut off from the beginning, each number up to the first word that carries no answer."""
    found = []
    for count, word in enumerate(spoken[:_MOST], start=1):
        if word not in known:
            break
        found.append(count)
    return found


def _phrase(spoken: list[str], question: str) -> int:
    """How many words at the end are a phrase of the question that names a place; 0 where there are none."""
    low = question.lower()
    for count in range(min(len(spoken) - 1, 8), 1, -1):
        if (
            spoken[-count] in _PLACING
            and " ".join(spoken[-count:]) in low
            and not verbatim.OFFERS.search(low)
        ):
            return count
    return 0


def _carries(spoken: list[str]) -> bool:
    """Whether what was cut off is a part of a sentence: it has a verb or a preposition."""
    return not words("carriers", "verbs").isdisjoint(spoken)


def _only_seen(said: list[str], cut: list[str], question: str) -> bool:
    """Whether a sentence says of a thing no more than that it is there, where more was asked: "the left kidney is seen" names
    no kidney that is affected.
    """
    if _SEEN.isdisjoint(cut) or _ASKS_SEEN.search(question):
        return False
    kind = lent.nouns(question)
    if not _ASKS_STATE.search(question) and kind.isdisjoint(map(canon.word, said)):
        return False
    own = {verbatim.kin(word) for word in cut if word not in words("carriers", "words")}
    return own.isdisjoint(map(verbatim.kin, _WORD.findall(question.lower())))
