"""Clauses that say yes or no once more, "it is", "there are none", and those that name a picture: "it is an axial CT"."""

from __future__ import annotations

from lingshu_train.verify.lexicon import words
from lingshu_train.verify.remarks.findings.vocabulary import DENYING, Asked, Claim, denials, known

_PRONOUNS = frozenset(
    (
        "it",
        "there",
        "is",
        "are",
        "does",
        "do",
        "was",
        "has",
        "have",
        "they",
        "the",
        "this",
        "i",
        "can",
        "see",
        "one",
        "ones",
        "such",
        "sign",
        "signs",
        "evidence",
        "finding",
        "findings",
        "any",
        "of",
        "that",
        "be",
    )
)


def is_pronoun(tokens: list[str]) -> bool:
    return bool(tokens) and all(token in _PRONOUNS or token in DENYING for token in tokens)


def of_pronoun(tokens: list[str], sign: str, side: str, *, gone: bool) -> Claim | None:
    """ "it is", "there are none": the sign itself once more. Where a question asks if something is gone, "it is gone" is a
    yes."""
    states = sum(token in words("findings", "gone") for token in tokens) if gone else 0
    denied = (denials(tokens) - states) % 2 == 1
    if denied != (sign == "no"):
        return None
    # Yes once more is no evidence: "there is, and the angles are sharp".
    return Claim(side if gone or side == "gone" else "bare")


def of_identity(said: list[str], tokens: list[str], asked: Asked, side: str) -> Claim | None:
    """ "it is an axial CT", "this is not a CT", "it is an MRI": the name asked for, or another of its kind."""
    names = known("modalities") | known("planes") | known("weights")
    if not all(word in known("known") or word in names or word in asked.words for word in said):
        return None
    views = asked.identity | frozenset(said)
    if "frontal" in views and not views.isdisjoint(("pa", "ap")):
        # A frontal view is a PA or an AP one: neither name denies the other.
        return None
    same = bool(asked.identity & frozenset(said))
    spoken = frozenset(said)
    named = [known(kind) for kind in ("modalities", "planes", "weights") if asked.identity & known(kind)]
    other = any(listed & spoken - asked.identity and not listed & spoken & asked.identity for listed in named)
    other = other or bool(named and named[0] & spoken - asked.identity)
    denied = denials(tokens) % 2 == 1
    if same == other:
        return None
    claimed = "there" if same != denied else "gone"
    return Claim(claimed) if claimed == side and not (other and denied) else None
