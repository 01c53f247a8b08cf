"""The words of a question that may stand beside its answer, and the nouns whose kind it asks for."""

from __future__ import annotations

import re
from functools import lru_cache

from lingshu_train.verify.lexicon import texts, words
from lingshu_train.verify.remarks import verbatim
from lingshu_train.verify.text import canon

_WORD = re.compile(r"[a-z]+(?:[-'][a-z]+)*")
_KIND = re.compile(
    r"\b(?:what is the(?= (?:shape|colou?r|plane|modality|location|side) of)"
    r"|(?:what|which) (?:type|kind|sort|form) of|what|which) ([a-z]+)(?: ([a-z]+))?\b"
)
# What a question calls by one of these may be called by another: where "the lesion" is, "the mass" is.
# A shorter word may be a letter of an option or a sign.
_SHORT = 2
_GENERIC = frozenset(("lesion", "lesions", "abnormality", "abnormalities", "finding", "mass", "tumor"))
_BLEEDS = frozenset(("hemorrhage", "hematoma", "bleed", "bleeding"))
# The adjective of a picture's name: "the laryngoscopic finding" of a laryngoscopy.
_ADJECTIVES = (
    ("scopy", "scopic"),
    ("graphy", "graphic"),
    ("gram", "graphic"),
    ("graph", "graphic"),
    ("logy", "logic"),
    ("logy", "logical"),
)
_AFFECTED = frozenset(("affected", "affects", "involved", "involves", "involvement", "diseased", "damaged"))


@lru_cache(maxsize=4096)
def words_of(question: str) -> frozenset[str]:
    """The words of a question that may stand beside its answer."""
    low = question.lower()
    if verbatim.OFFERS.search(low):
        return frozenset()
    sided = words("words", "sides") | frozenset(
        ("upper", "lower", "middle", "anterior", "posterior", "medial", "lateral")
    )
    spoken = frozenset(_WORD.findall(low))
    same = texts("words", "same")
    forms = {same[token] for token in spoken if token in same and " " not in same[token]}
    forms |= {token for token, one in same.items() if one in forms or one in spoken}
    forms |= {adjective for adjective, noun in texts("carriers", "organs").items() if noun in spoken}
    if not spoken.isdisjoint(("size", "big", "large")):
        forms |= {"diameter", "size"}
    forms |= {
        noun for adjective, noun in texts("carriers", "dimensions").items() if f"how {adjective}" in low
    }
    forms |= {
        word.removesuffix(noun) + adjective
        for word in spoken
        for noun, adjective in _ADJECTIVES
        if word.endswith(noun)
    }
    if not spoken.isdisjoint(_BLEEDS):
        forms |= _BLEEDS
    if not spoken.isdisjoint(_AFFECTED):
        forms |= _AFFECTED | words("carriers", "lesions")
    # "Most of the cells are" of "Which cell type".
    forms |= {f"{word}s" for noun in [_KIND.search(low)] if noun for word in noun.groups() if word}
    if not spoken.isdisjoint(_GENERIC):
        forms |= words("carriers", "lesions")
    return (spoken | forms) - sided - words("words", "negation")


@lru_cache(maxsize=4096)
def nouns(question: str) -> frozenset[str]:
    """What a question asks the kind of, in canonical form: "fracture" of "What type of fracture"."""
    low = question.lower()
    found = _KIND.search(low)
    if found is None or verbatim.OFFERS.search(low):
        return frozenset()
    named = (word for word in found.groups() if word and word not in words("words", "stop"))
    return frozenset(map(canon.word, named))


def without_noun(text: str, question: str) -> str:
    """A text without the noun at its end that a question asks the kind of: "epidural hematoma" of "What type of hemorrhage"."""
    rest, _, last = text.rpartition(" ")
    kind = nouns(question)
    known = (
        kind
        | frozenset(map(canon.word, canon.tokenize(question.lower())))
        | (_BLEEDS if not kind.isdisjoint(_BLEEDS) else frozenset())
    )
    stands = last.isalpha() and last.lower() not in words("words", "stop") and len(last) > _SHORT
    return rest if rest and stands and canon.word(last.lower()) in known else text
