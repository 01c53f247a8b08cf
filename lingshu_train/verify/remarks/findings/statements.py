"""What a text says of a yes/no question in the question's own words: restated, denied, or neither.

`proposition` reads a clause of an explanation; `statement` a whole answer such as "there is no pneumothorax".
"""

from __future__ import annotations

import re
from functools import lru_cache

from lingshu_train.verify.lexicon import lists, longest_first, texts, words
from lingshu_train.verify.text import canon, cues
from lingshu_train.verify.text.asks import GO_ON, PARTICLES, WORD, asks_normal

SIGNS = frozenset("<>=|~&+*?→⇒")
_BOTH = ("sizes", "sides")
_SIDES = frozenset(("left", "right"))
_NATURE = frozenset(("benign", "malignancy"))
_NATURE_CN = ("恶性", "良性")
_FOUND_CN = re.compile(r"(未见|没有|无|未发现)?(?:有|可见|见|存在|明显|任何)*异常(?:改变|表现|征象)?")
# 未见气胸征象 says no more than 未见气胸.
_SIGN_OF_CN = re.compile(r"(?<=[\u3400-\u9fff]{2})(?:征象|表现|迹象|证据)$")
_SOURCE_CN = re.compile("^(?:该|此|本|这张)?(?:图像|图片|影像|图|超声|胸片|X光片|x光片|ct|mri)中?")
_NAMED = re.compile(r"^(?:is|was) (?:this|it|that) an? ")
_BEFORE = re.compile(r"\b(?:had|used to)\b")
_JOINERS = frozenset(("as", "with", "to", "by", "for", "from", "so", "and", "also"))
EXCLUDED = re.compile(r"\b(?:ruled out|excluded)\b")
# A bare statement is read by the first alone: the right lung's nodule says nothing of the left one's.
_CONTRARIES = ("opposites_cn", "contraries_cn")
_ASKING = ("吗", "是否", "有没有", "有无", "是不是", "?")


def _content(text: str) -> list[str]:
    return _contents(WORD.findall(text.lower()))


def _contents(tokens: list[str]) -> list[str]:
    stop, negation = words("words", "stop"), words("words", "negation")
    kept = [token for token in tokens if token not in stop and token not in negation]
    return [part for token in kept if token[0].isalnum() for part in _parts(token)]


def proposition(clause: str, question: str) -> str:
    """The sign with which a clause restates the question's own words; empty where it speaks of something
    else.
    """
    if not clause:
        return ""
    if not clause.isascii():
        return _chinese_proposition(clause, question)
    asked = _asked(question)
    said, negative, turned = _in_words_of(question, clause)
    if asked.issuperset(said) and (turned or not _predicate(question).isdisjoint(said)):
        return "no" if negative else "yes"
    # What is benign or malignant needs no further word of the question: "no; malignant glands".
    if not asked.isdisjoint(_NATURE) and not asked.isdisjoint(_NATURE.intersection(said)):
        return "no" if negative else "yes"
    return ""


# Two rules ask it of every clause in turn.
@lru_cache(maxsize=512)
def _in_words_of(question: str, clause: str) -> tuple[list[str], bool, bool]:
    """The content words of a clause, an opposite of an asked word as that word; whether it then denies it;
    whether it has such an opposite.
    """
    asked, opposites = _asked(question), _opposites(question)
    tokens = WORD.findall(EXCLUDED.sub("absent", clause))
    turned: list[str] = []
    rest = tokens
    if opposites:
        turned = [opposites[part] for token in tokens for part in _parts(token) if part in opposites]
        if turned:
            rest = [token for token in tokens if opposites.keys().isdisjoint(_parts(token))]
    # "non-displaced" and "noncontrast": denied by its own prefix.
    prefixed = "non" in rest and "non" not in asked
    negative = prefixed or not words("words", "negation").isdisjoint(rest)
    said = [token for token in [*_contents(rest), *turned] if not (prefixed and token == "non")]
    # "A small effusion" is an effusion, unless the size was asked, and so is a left one; but one lung may be normal
    # where both are not.
    for kind in _BOTH if turned or _focus(question) else _BOTH[:1]:
        if not asked & words("words", kind):
            said = [token for token in said if token not in words("words", kind)]
    return said, negative != bool(len(turned) % 2), bool(turned)


@lru_cache(maxsize=16384)
def _parts(token: str) -> tuple[str, ...]:
    """A token in the words that the rules compare: cardiomegaly is said in two, an enlarged heart."""
    return tuple(canon.word(part) for part in texts("words", "same").get(token, token).split())


@lru_cache(maxsize=4096)
def _opposites(question: str) -> dict[str, str]:
    """Of each word that says the opposite of a word of the question: that word of the question."""
    asked = _asked(question)
    listed = lists("words", "opposites").items()
    return {
        canon.word(other): base
        for base, others in listed
        # "Is the midline shifted?" asks for the shift.
        if base in asked and asked.isdisjoint(map(canon.word, others))
        for other in others
        if canon.word(other) not in asked
    }


def said_twice(clause: str, question: str) -> bool:
    """Whether a clause speaks twice of what was asked: "no effusion there is an effusion"."""
    said, _, _ = _in_words_of(question, clause)
    return any(said.count(word) > 1 for word in _predicate(question))


@lru_cache(maxsize=4096)
def _asked(question: str) -> frozenset[str]:
    return frozenset(_content(question))


@lru_cache(maxsize=4096)
def _predicate(question: str) -> frozenset[str]:
    """The words of which one must be said to restate a question: what it looks for, or what it says of its
    subject.
    """
    asked = _content(question)
    polar = [word for word in asked if word in words("words", "opposites")]
    # The side is what a question asks for only where it asks for nothing else that has an opposite.
    polar = [word for word in polar if word not in _SIDES] or polar
    if polar and asked[-2:-1] == polar[-1:] and _NAMED.search(question.lower()):
        # "Is this a normal ECG?" asks whether it is normal, and no more.
        return frozenset(_focus(question) or polar)
    return frozenset(_focus(question) or [*asked[-1:], *polar])


def _chinese_proposition(clause: str, question: str, *, contraries: tuple[str, ...] = _CONTRARIES) -> str:
    clause = clause.strip(PARTICLES + " ")
    # 双侧肾脏是否等大 asks whether 双侧肾脏等大.
    asked = asks_normal(question)
    if asked:
        plain = question.replace("是否", "")
        found = _FOUND_CN.fullmatch(clause)
        if found:
            return "yes" if asked == ("normal" if found.group(1) else "abnormal") else "no"
        for name in ("abnormal", "normal"):
            for entry in longest_first("words", name):
                if clause.endswith(entry) and _subject(clause[: -len(entry)], plain):
                    return "yes" if name == asked else "no"
    core, denied = _core(question)
    said, negations = _core(clause)
    for one, other in (pair for name in contraries for pair in texts("words", name).items()):
        if one in core and other in said and other not in core:
            said, negations = said.replace(other, one), negations + 1
    # 肺不张 holds a negation itself: such a question is not restated by counting them.
    if denied or negations > 1 or len(said) < 2:
        return ""
    if contraries == _CONTRARIES and any(word in core and said.count(word) == 1 for word in _NATURE_CN):
        return "no" if negations else "yes"
    said = said if said in core else _SOURCE_CN.sub("", said)
    # A part of the question restates it if it holds what is asked of the subject, or denies how it begins.
    part = (
        said in core and len(said) > 1 and (said.endswith(core[-2:]) or (negations and core.startswith(said)))
    )
    return "" if not part else "no" if negations else "yes"


@lru_cache(maxsize=4096)
def _core(text: str) -> tuple[str, int]:
    """What a Chinese question or clause is about, without words that ask, assert, deny or fill, and how often
    it denies.
    """
    plain, denials = _chinese_words("denying_cn").subn("", _unasked(text))
    for name in ("asserting_cn", "filling_cn"):
        plain = _chinese_words(name).sub("", plain)
    return _SIGN_OF_CN.sub("", plain), denials


def _unasked(text: str) -> str:
    return _chinese_words("asking_cn").sub("", text.lower().strip("?？。 "))


@lru_cache(maxsize=8)
def _chinese_words(name: str) -> re.Pattern[str]:
    return re.compile("|".join(longest_first("words", name)))


def _subject(before: str, question: str) -> bool:
    polar = words("words", "normal") | words("words", "negation_cn")
    return before in question and not any(word in before for word in polar)


def of_before(text: str, question: str) -> bool:
    """Whether a text tells of another time than the question: "there had been an effusion"."""
    return _BEFORE.search(text) is not None and _BEFORE.search(question.lower()) is None


def statement(text: str, question: str) -> str:
    """The sign of a bare statement of the whole question, such as "there is no pneumothorax"."""
    if cues.hedges(text) or not SIGNS.isdisjoint(text) or re.search(r"[,.;:!()/]|\b(?:or|but)\b", text):
        return ""
    if not text.isascii():
        return "" if any(mark in text for mark in _ASKING) else _chinese_statement(text, question)
    asked, said = _content(question), _content(text)
    found = WORD.findall(text)
    if not found:
        return ""
    of_question = WORD.findall(question.lower())
    negative = sum(token in words("words", "negation") for token in found)
    asks_positively = words("words", "negation").isdisjoint(of_question)
    # Said twice, joined by words of its own, or with a word of its own before or after, it may be two statements.
    joined = len(said) != len(set(said)) or not _JOINERS.intersection(found).issubset(of_question)
    apart = found[-1] == "no" or found[0] in words("words", "visible") - {"there"}
    apart = apart or (
        found[0] == "no" and bool(GO_ON.union(("a", "an", "in", "of")).intersection(found[1:2]))
    )
    if negative > 1 or not said or not asks_positively or joined or apart:
        return ""
    exists = found[0] in ("there", "no") or not words("words", "visible").isdisjoint(found)
    focus = _focus(question)
    partial = exists and bool(focus) and set(said) <= set(asked)
    # "No obstruction" denies an intestinal one too; "an effusion" need not be the one that was asked for.
    partial = partial and (said[0] == focus[0] or (negative == 1 and _sought(question) in said))
    if set(said) != set(asked) and not partial:
        return ""
    return "no" if negative else "yes"


def _chinese_statement(text: str, question: str) -> str:
    sign = _chinese_proposition(text, question, contraries=_CONTRARIES[:1])
    # Where a question asks for presence or identity (有, 是), its bare noun is an echo and no statement.
    asserting = _chinese_words("asserting_cn")
    asked = "有无" in question or "有没有" in question or asserting.search(_unasked(question))
    echo = sign == "yes" and asked and not asserting.search(text)
    # 是的 and 否 answer by themselves: beside a statement they may say the opposite of it.
    apart = text.startswith(("否", "是的")) or text.endswith(("否", "是", "是的", "不", "没", "没有"))
    apart = apart or (text.startswith("是") and bool(asks_normal(question)))
    return "" if echo or apart else sign


def _sought(question: str) -> str:
    """The noun of what a question asks the existence of: obstruction, in "any signs of intestinal obstruction
    on this film".
    """
    noun = ""
    for token in _after_verb(question):
        if noun and token in words("words", "prepositions"):
            break
        noun = "".join(_content(token)) or noun
    return noun


@lru_cache(maxsize=4096)
def _focus(question: str) -> list[str]:
    """Content words of what a question asks the existence of; empty where it asks something else."""
    return _content(" ".join(_after_verb(question)))


def _after_verb(question: str) -> list[str]:
    """The words of a question after "is there", "show" and the like; all of them where it asks what is visible."""
    found = WORD.findall(question.lower())
    for index, token in enumerate(found):
        if token in words("words", "shows"):
            return found[index + 1 :]
    return found if not words("words", "visible").isdisjoint(found) else []
