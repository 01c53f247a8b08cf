"""The words that are known of findings, and what a clause of known words claims: something normal, abnormal, a place."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from lingshu_train.verify.lexicon import entries, lists, texts, words
from lingshu_train.verify.text import canon

JOINING = entries("vocabulary", "joining")
DENYING = words("vocabulary", "denying")
_KNOWN = ("struct", "places", "abnormal", "normal", "sizes", "denying", "devices")
# Any device may be called so.
_ANY_DEVICE = frozenset(("tube", "line", "catheter", "lead", "device", "wire"))


class Claim(NamedTuple):
    """What a clause claims: "there", "gone", "abnormal", "entity" (another finding by its name), "absent" (another finding is
    not there), "normal", "elsewhere", "denied", or "bare".
    """

    kind: str


def plain(token: str) -> str:
    """A word as the lists are compared: in canonical form, "fractured" as "fracture"."""
    same = texts("words", "same").get(token, token)
    return canon.word(same if " " not in same else token)


@cache
def known(name: str) -> frozenset[str]:
    """A list in the form of `plain`; "known" is all that a clause may hold."""
    if name == "known":
        return frozenset[str]().union(*(known(one) for one in _KNOWN)) | {"free"}
    return frozenset(map(plain, words("vocabulary", name)))


def weigh(found: list[str], denials: int, finding: frozenset[str], places: frozenset[str]) -> Claim | None:
    """The claim of a clause of known words; None where its words say both or speak of another place."""
    said = frozenset(found)
    abnormal, normal = said & known("abnormal") | said & finding, said & known("normal") - finding
    if "clear" in normal and "of" in found[found.index("clear") + 1 :][:1]:
        normal -= {"clear"}
    if abnormal and normal:
        return None
    own = bool(abnormal & finding) or bool(normal & finding)
    if not abnormal and not normal:
        return Claim("denied" if denials % 2 else "bare")
    if (denials % 2 == 0) == bool(abnormal):
        if own:
            return Claim("elsewhere") if _other_place(said, finding, places) else Claim("there")
        return Claim("entity" if said & known("entities") else "abnormal")
    if own and _other_place(said, finding, places):
        return None
    return Claim("gone" if own else "absent" if said & known("entities") else "normal")


def other_description(asked: frozenset[str], said: frozenset[str]) -> bool:
    """Whether a clause describes in other words than a question that asks for a description: oval for round."""
    listed = known("describing")
    return not asked.isdisjoint(listed) and bool((said - asked) & listed)


def other_device(asked: frozenset[str], said: frozenset[str]) -> bool:
    """Whether a clause names another device than the one that a question asks for, and not that one."""
    listed = known("devices")
    ours, theirs = asked & listed, said & listed
    return bool(ours and theirs - _ANY_DEVICE) and ours.isdisjoint(theirs)


def opposite_place(asked: frozenset[str], said: frozenset[str]) -> bool:
    """Whether a clause names the other of two places than the question: left for right, proximal for distal."""
    return any(
        (one in asked and other in said and one not in said)
        or (other in asked and one in said and other not in said)
        for one, other in lists("vocabulary", "opposite_places").values()
    )


def _other_place(said: frozenset[str], finding: frozenset[str], places: frozenset[str]) -> bool:
    """Whether a clause that names the finding puts it into another organ than the question does."""
    nouns = texts("carriers", "organs")
    ours, theirs = (
        {nouns.get(word, word) for word in one & known("organs")} for one in (places, said - finding)
    )
    return bool(ours and theirs and not ours & theirs)
