"""What a text says of the finding that a yes/no question asks for, in whatever words stand around it: there, or not.

`statements` reads clauses that restate the whole question; here the question's noun is enough: "free of effusion", "the
effusion has resolved", "effusion-free" all deny an effusion.
"""

from __future__ import annotations

import re

from lingshu_train.verify.lexicon import words
from lingshu_train.verify.remarks.findings.sought import ENDS, TOKEN, Finding, asked, carries, same, stems
from lingshu_train.verify.text import canon

_CLAUSE = re.compile(r"[;:.!?()]|\b(?:but|because|since|while|whereas|although|though|however)\b")
# "No evidence of acute bowel obstruction": as many words may stand between a denial and what it denies.
_REACH = 7
# "No doubt about an effusion" asserts it.
_NO_DOUBT = re.compile(r"\b(?:no|without|beyond)(?: a| any)? doubt\b(?: about| of| that)?")
# A text without any of these denies nothing, and most have none.
_DENIAL = re.compile(
    r"\b(?:no|not|non|nor|none|nowhere|nothing)\b|n't|without|nonex|never|lack|abs|void|neg|\bnei|zero|free|fail|excl|rul"
    r"|against|unl|dis|clear|resol|remov|none|gone|vani|subs"
    r"|reli|resor|reabs|miss|improb|undet|invis|elim|unseen|heal|cannot|clip|spared"
)
_TURNS = re.compile(
    r"resolv|gone|clear|appear|vanish|absent|exclu|ruled|remov|persist|remain|longer|subsid|healed|missing|reliev|sorb|more"
)
_BREAKS = frozenset(("and", "or", "without", "in", "on", "at"))
_SIDES = frozenset(("left", "right"))
_PLACE = frozenset(("in", "on", "of", "within", "at", "from"))


def said(text: str, question: str, *, contrary: str) -> str:
    """ "there" or "gone", as a text says of the finding asked for; empty where it says neither or both.

    `contrary`: the one that matters; where no word of the text can say it, the text is not read.
    """
    finding = asked(question)
    low = text.lower()
    if finding is None or (contrary == "gone" and not _DENIAL.search(low)):
        return ""
    if not any(stem in low for stem in stems(question)) and not (finding.exists and _TURNS.search(low)):
        return ""
    plain = _NO_DOUBT.sub("", low.replace("-", " "))
    found = {_of_clause(clause.strip(" ,"), finding) for clause in _CLAUSE.split(plain)}
    if not found.isdisjoint(("there", "named")):
        found.discard("gone?")
    signs = {one.rstrip("?") for one in found} & {"there", "gone"}
    return signs.pop() if len(signs) == 1 else ""


def _of_clause(clause: str, finding: Finding) -> str:
    """What one clause says: "there", "gone", "named" where it neither asserts nor denies, or "gone?" where it denies the
    finding only with words that narrow it: "no tension pneumothorax".
    """
    tokens = TOKEN.findall(clause)
    plain = [same(canon.word(token)) for token in tokens]
    places = [index for index, word in enumerate(plain) if word == finding.noun]
    if not places:
        return _of_pronoun(tokens) if finding.exists else ""
    if _elsewhere(plain, finding):
        return ""
    verdicts = {_of_mention(tokens, plain, place, finding) for place in places} - {""}
    if "gone?" in verdicts and len(verdicts) > 1:
        verdicts.discard("gone?")
    if "named" in verdicts and len(verdicts) > 1:
        verdicts.discard("named")
    return verdicts.pop() if len(verdicts) == 1 else ""


def _elsewhere(plain: list[str], finding: Finding) -> bool:
    """Whether a clause speaks of another side or place than the question."""
    sides = _SIDES.intersection(plain)
    asked_sides = _SIDES & (finding.place | finding.narrowing | {finding.noun})
    return bool(sides and asked_sides and not sides & asked_sides)


def _of_mention(tokens: list[str], plain: list[str], place: int, finding: Finding) -> str:
    before, after = _span_before(tokens, place), _span_after(tokens, place)
    if not finding.exists and after[:1] and carries(after[0]) and after[0] not in words("findings", "gone"):
        return ""
    between, denials = _denied_before(before)
    if not words("findings", "partly").isdisjoint(before + after):
        return "there"
    behind = _denied_behind(after)
    if denials or behind:
        # "The lungs are not free of effusion", "the effusion has not resolved".
        if (denials + behind) % 2 == 0:
            return "there"
        other = [
            word for word in between if carries(word) and same(canon.word(word)) not in finding.narrowing
        ]
        return "gone?" if set(other) - words("words", "sizes") - words("findings", "denying") else "gone"
    return "there" if _is_there(tokens, plain, place, before, after, finding) else "named"


def _denied_behind(after: list[str]) -> int:
    """How many denials stand behind a noun that say whether it is there: "has not resolved" two, "is not seen" one."""
    negations = 0
    for index, word in enumerate(after[: 2 * _REACH]):
        of = after[index + 1 : index + 2] in (["of"], ["from"])
        phrase = " ".join(after[index : index + 2]) in words("findings", "gone_phrases")
        if phrase or (word in words("findings", "gone") and not of) or (word == "free" and not of):
            return negations + 1
        if word in words("words", "negation"):
            if not (words("findings", "there") | {"be"}).isdisjoint(after[index + 1 : index + 4]):
                return negations + 1
            negations += 1
    return 0


def _denied_before(before: list[str]) -> tuple[list[str], int]:
    """The words between the nearest denial before a noun and the noun, and how many denials stand before it."""
    denials, between = 0, before
    for index in range(len(before) - 1, -1, -1):
        word = before[index]
        if word not in words("findings", "denying") or not _denies(before, index):
            continue
        if not denials:
            between = before[index + 1 :]
        denials += 1
    return between, denials


def _denies(before: list[str], index: int) -> bool:
    """Whether a word of denial has what it needs to deny: "free of", "negative for", "rules out"."""
    following = before[index + 1 : index + 2]
    word = before[index]
    if word in words("findings", "needs_of"):
        return following[:1] in (["of"], ["from"])
    if word in words("findings", "needs_for"):
        return following[:1] in (["for"], ["of"])
    if word in words("findings", "needs_out"):
        return following[:1] == ["out"]
    return True


def _span_before(tokens: list[str], place: int) -> list[str]:
    """The words before a noun that may speak of it: its own clause, and a list that runs up to it."""
    start = place
    for index in range(place - 1, -1, -1):
        token = tokens[index]
        if token in words("findings", "stops") and token != "there":
            break
        if token == "and" and tokens[index + 1 : index + 2] in (["a"], ["an"], ["the"], ["there"]):
            break
        if token in ENDS and not {"or", "nor", "and"}.intersection(tokens[index + 1 : place]):
            break
        start = index
    return [token for token in tokens[max(start, place - 4 * _REACH) : place] if token not in ENDS]


def _span_after(tokens: list[str], place: int) -> list[str]:
    found: list[str] = []
    for index, token in enumerate(tokens[place + 1 :], start=place + 2):
        # "Has dissolved and is gone" goes on to speak of it.
        goes_on = token == "and" and tokens[index : index + 1] in (
            ["is"],
            ["are"],
            ["was"],
            ["has"],
            ["have"],
        )
        stops = token in words("findings", "stops") and (token != "there" or tokens[index : index + 1] != [])
        if token in ENDS or stops or (token in _BREAKS and not goes_on):
            break
        found.append(token)
    return found


def _is_there(
    tokens: list[str], plain: list[str], place: int, before: list[str], after: list[str], finding: Finding
) -> bool:
    """Whether a clause asserts the noun outright: "there is a ...", "... is seen", "shows a ...", "positive for ..."."""
    if not words("findings", "supposed").isdisjoint(tokens):
        return False
    if not words("words", "negation").isdisjoint(after) or "like" in after:
        return False
    near = before[-_REACH:]
    other = [
        word
        for word in near
        if carries(word)
        and word not in words("findings", "showing")
        and same(canon.word(word)) not in finding.narrowing
    ]
    if not finding.exists:
        # "No, it is dilated to 5 cm": the property is said of what was asked for.
        return not words("findings", "being").isdisjoint(near) and words("words", "sizes").issuperset(other)
    # "No, there is a pericardial effusion" asserts no pleural one.
    if not finding.narrowing.issubset(plain) and not words("words", "sizes").issuperset(other):
        return False
    if finding.place and not _in_place(tokens, plain, place, finding):
        return False
    return not (
        words("findings", "there").isdisjoint(after[:_REACH])
        and words("findings", "showing").isdisjoint(near)
    )


def _in_place(tokens: list[str], plain: list[str], place: int, finding: Finding) -> bool:
    """Whether a clause names no other place than the question does; a part of one is the same place."""
    if not finding.place.isdisjoint(plain):
        return True
    for index in range(place + 1, len(tokens)):
        if tokens[index] in _PLACE:
            following = [word for word in tokens[index + 1 :] if carries(word) and not word.isdigit()]
            parts = words("findings", "parts") | words("words", "sides")
            return bool(following) and parts.issuperset(following[:2])
    return True


def _of_pronoun(tokens: list[str]) -> str:
    """What a clause without a noun says: "it has resolved", "gone", "it persists"."""
    found = [token for token in tokens if token not in ENDS]
    known = words("findings", "pronouns") | words("findings", "gone") | words("findings", "there")
    if not found or not known.issuperset(found):
        return ""
    # "There is", "not present": what only says yes or no is read where those words are.
    gone = sum(word in words("findings", "gone") for word in found)
    stays = not words("findings", "stays").isdisjoint(found)
    if not words("findings", "partly").isdisjoint(found):
        return "there"
    if gone:
        denials = sum(
            word in words("words", "negation") and word not in words("findings", "gone") for word in found
        )
        return "gone" if (gone + denials) % 2 else "there"
    return "there" if stays else ""
