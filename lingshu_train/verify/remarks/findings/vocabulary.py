"""The words that are known of findings, and what a clause of known words claims: something normal, abnormal, a place."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import NamedTuple

from lingshu_train.verify.lexicon import entries, lists, texts, words
from lingshu_train.verify.text import canon

JOINING = entries("vocabulary", "joining")
DENYING = words("vocabulary", "denying")
_KNOWN = ("struct", "places", "abnormal", "normal", "sizes", "denying", "devices")


class Asked(NamedTuple):
    """What a question asks for: the words of the finding, those of places, and whether a yes means that all is normal.
    `identity`: the name of a modality or a plane, where that is asked for. `narrowing`: words without which
    it is another finding, as "free" of "free air".
    """

    finding: frozenset[str]
    places: frozenset[str]
    words: frozenset[str]
    narrowing: frozenset[str]
    normal: bool
    gone: bool
    identity: frozenset[str]

    @property
    def described(self) -> bool:
        """Whether a property is asked for, and not whether something exists."""
        return bool(self.finding) and self.finding.isdisjoint(known("entities"))


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
        if _other_place(said, finding, places, near=True):
            return None
        return Claim("denied" if denials % 2 else "bare")
    if (denials % 2 == 0) == bool(abnormal):
        if not own and _other_place(said, finding, places, near=True):
            # "Fluid in the abdomen" is no pleural effusion.
            return None
        if own:
            return Claim("elsewhere") if _other_place(said, finding, places) else Claim("there")
        return Claim("entity" if said & known("entities") - _signs(finding) else "abnormal")
    if own and _other_place(said, finding, places):
        return None
    return Claim("gone" if own else "absent" if said & known("entities") else "normal")


@lru_cache(maxsize=256)
def _signs(finding: frozenset[str]) -> frozenset[str]:
    """Findings by which one of those asked for is told: consolidation, of pneumonia."""
    listed = lists("vocabulary", "signs_of")
    return frozenset(plain(sign) for asked in finding for sign in listed.get(asked, ()))


def opposite_place(asked: frozenset[str], said: frozenset[str]) -> bool:
    """Whether a clause names the other of two places than the question: left for right, proximal for distal."""
    return any(
        (one in asked and other in said and one not in said)
        or (other in asked and one in said and other not in said)
        for one, other in lists("vocabulary", "opposite_places").values()
    )


def elsewhere(said: frozenset[str], places: frozenset[str]) -> bool:
    """Whether a clause speaks of another organ than the question, and of no neighbour of it."""
    return _other_place(said, frozenset(), places, near=False)


def _other_place(
    said: frozenset[str], finding: frozenset[str], places: frozenset[str], *, near: bool = False
) -> bool:
    """Whether a clause puts the finding into another organ than the question does. `near`: a neighbour is none, "at the lung
    base" for a pleural effusion.
    """
    nouns = texts("carriers", "organs")
    ours, theirs = (
        {nouns.get(word, word) for word in one & known("organs")} for one in (places, said - finding)
    )
    if near and not (ours & words("vocabulary", "bones") and theirs & words("vocabulary", "bones")):
        groups = lists("vocabulary", "neighbours").values()
        if any(not ours.isdisjoint(group) and not theirs.isdisjoint(group) for group in groups):
            return False
    parts = {part for whole in ours for part in lists("vocabulary", "parts").get(whole, ())}
    return bool(ours and theirs and not ours & theirs and not theirs <= parts)


def denials(tokens: list[str]) -> int:
    """How often a clause denies; "free" and "clear" only with "of", and "free" at the end as in "effusion-free"."""
    count = sum(token in DENYING for token in tokens)
    for index, token in enumerate(tokens):
        follows = tokens[index + 1 : index + 2]
        if (token == "free" and (follows in (["of"], ["from"]) or (not follows and index))) or (
            token == "clear" and follows == ["of"]
        ):
            count += 1
    return count - ("neither" in tokens and "nor" in tokens)
