"""What is said of the options behind a chosen one: the others ruled out, the chosen one upheld, or something else.

A sentence is cut into clauses, and every option becomes a sign. A clause sets one aside where it denies an odd number of
times. The chosen one may not be set aside, no other left standing; reasons may deny findings, not in the chosen one's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache

from lingshu_train.verify.lexicon import longest_first, words
from lingshu_train.verify.remarks.own import content, telling
from lingshu_train.verify.text import cues
from lingshu_train.verify.text.normal import strip_edges

# Signs in the place of options: one for each letter, one for "the others", one for all of them or for some unnamed one.
_FIRST = 0xE100
_OTHER, _ALL = "\ue0fe", "\ue0ff"
_SIGN = re.compile("[\ue0fe-\ue11f]")
_LETTER = re.compile(r"(?<![A-Za-z0-9'])([A-Z])(?![A-Za-z0-9'])")
# Before any other small word, "A" is the article and "I" the person, who alone "would say A".
_VERB = re.compile(
    r" (?:is|was|are|were|would|will|can|cannot|could|does|do|has|had|need|needs|requires?|and|or|nor|fits?|lacks?|fails?"
    r"|isn't|wasn't|can't|doesn't|because|since|shows|typically|usually|refers|describes|rather|instead|being|as|too)\b"
)
_PERSON = re.compile(r"\bI(?= (?:would|will|can|cannot|can't|could|do|did|had|have|need|am) )")
_REST = (
    r"\b(?:all|any|each|both|either)? ?(?:of )?(?:the |these |those )?(?:other|remaining|alternative|incorrect|wrong) "
    r"(?:[a-z]+ )?(?:options?|choices?|answers?|ones?|letters?|diagnos[ei]s|possibilities|alternatives|candidates|items?|signs"
    r"|conditions|structures|organs|entities|stages|levels|modalities|techniques|regions|lobes|vessels|arteries"
    r"|ligaments|statements)\b"
    r"|\b(?:all|any|both)? ?(?:of )?(?:the )?(?:others|rest|alternatives)\b"
    r"|\b(?:the )?other (?:two|three|four)\b|\beverything else\b|\bany other\b"
    r"|(?:其他|其它|其余|余下|剩余|另外)(?:的)?(?:所有)?(?:[两三四几]?个?)(?:选项|答案|各项|几项|三项|项)?"
)
_OTHERS = re.compile(_REST)
# "Narrowing of the basilar artery is seen; the others are patent" sets them aside, unless a question asks which is patent.
_OTHERWISE = re.compile(
    f"{_OTHER} (?:is|are|remain|remains|appear|appears|look|looks) (?:all |otherwise |entirely )?(?:normal|patent|unremarkable"
    "|healthy|preserved|clear|open|free|(?:only |just )?(?:mildly|minimally|slightly) [a-z]+)\\b"
)
# "The others are wrong because none of them ..." speaks of the others.
_OF_THEM = re.compile(r"\bnone of (?:them|these|those)\b")
_EVERY = re.compile(
    r"\b(?:all|any|each|every|both|either|none|no|neither|this|that|these|those|my|first|second|third|fourth|last|former"
    r"|latter|previous|above|chosen|selected)\b(?: one)?(?: of)?(?: (?:the|these|those|my|given|listed|two|three|four|five))*"
    r" (?:options?|choices?|answers?|them|letters?|alternatives?|above|ones?)\b"
    r"|\b(?:none|any|all|each) of (?:the|these|those|them)\b|\b(?:everything|all|none|neither|nothing)\b"
    r"(?= (?:is|are|was|were|can|cannot|do|does|fits?|seems?)\b)"
    r"|(?:所有|全部|每个|四个)(?:的)?(?:选项|答案|项)|以上|[前后]者"
)
_SIGNS = "[\ue0fe-\ue11f]"
_LIST = re.compile(rf"{_SIGNS}(?:(?:,? ?(?:and|or|nor|&|/|和|与|及|或) ?|, ?| ){_SIGNS})+")
# "A) Pneumonia (A)": one option, named twice.
_TWICE = re.compile(rf"({_SIGNS})(?:[.:)\] ]*[(\[]? ?\1[)\]]?)+")
_NOUN = re.compile(
    r"(?:\b(?:the )?(?:options?|choices?|answers?|letters?)|选项|(?:^|(?<=and )|(?<=nor )|(?<=or )|(?<=, ))(?:the|an?))"
    rf" ?(?={_SIGNS})"
)
_NOUN_CN = re.compile(rf"(?<={_SIGNS})(?:选项|两项|三项|项)")
_DASH = re.compile(rf"(?<={_SIGNS})(?= ?[:|)\]-])[:|)\]\- ]+(?=\S)")
# "A is wrong, and so is B" denies B as well.
_SAME = re.compile(
    r"\b(?:like|as(?: (?:is|are|was|does))?|so (?:is|was|are|does)|nor(?: (?:is|was|does|do|are))?"
    rf"|neither(?: (?:is|does|do))?|also|than) (?={_SIGNS}(?! (?:is|are|was|were|has|does|would)\b))"
)
_UNLIKE = re.compile(rf"\b(?:unlike|in contrast to|contrary to|compared (?:to|with)) (?={_SIGNS})")
_CLAUSE = re.compile(
    r"[,;:.!?()|]| - |\b(?:because|since|as|so|therefore|thus|hence|while|whereas|but|and|although|though|which|with|by|due"
    r"|given|for|in|on|from|who|where)\b|因为|由于|所以|因此|而"
)
_PREDICATE = re.compile(r"(?:is|are|was|were|does|do|cannot|can)\b")
# "The thumb sign is seen in epiglottitis": elsewhere, and not in this picture.
_ELSEWHERE = re.compile(
    rf"({_SIGNS}) (?:is|are) (?:[a-z]+ly )?"
    r"(?:seen|found|encountered|associated|caused|due|reserved|used|a (?:sign|feature|finding|mark))"
    r" (?:in|with|by|of|to|for) (?=[a-z])"
    r"(?!(?:the|this|that|these|our|your|his|her|a|an|both|all|some|many|most|image|picture)\b)"
)
_NEUTRAL = re.compile(
    rf"{_SIGNS}(?:会|多|常|通常|一般|往往|典型)"
    rf"|{_SIGNS} (?:[a-z]+ly )?(?:would|needs?|requires?|typically|usually|classically|(?:is|are) characteri[sz]ed|refers"
    r"|describes)\b"
)
# "Rather than" and "as opposed to" hold words at which clauses end.
_HELD = re.compile(r"\b(?:rather than|instead of|as opposed to|in place of)\b")
_GRANTED = re.compile(
    r"\b(?:is|are|was|were) (?:also )?(?:right|true|likely|possible|better|best)\b"
    rf"|\b(?:so|as|nor|neither) (?:is|are|was|does)\b|\bonly (?={_SIGNS})"
)
# "Pneumonia and fluid are ruled out": what is only named goes with the clause behind it.
_BARE = re.compile(rf"((?:^|[,;:.] ?){_SIGNS}+)(?:,? (?:and|or|nor)|,) ")
# "B is intact and therefore wrong": the second clause has the subject of the first.
_THEREFORE = re.compile(r"\b(?:and|so) (?:is |are )?(?:therefore|thus|hence|so)\b")
_STEM = 5
_FREE, _FORMS = ord("["), 6
_RULED_OUT = re.compile(
    r"(?:(?:it|this|that)(?:'s| is| was) )?not (?:an? |the )?([^,;:.()]{2,40}?)(?=[,;:.]| because| since| as |$)"
    r"|(?:an? |the )?([^,;:.()]{2,40}?) (?:is|are|was|were|can be|can|could be|has been|would be) ",
    re.IGNORECASE,
)
_FEWEST_WORDS, _FEWEST_HAN = 3, 4
_JUDGED = re.compile(r"\b(?:is|are|be|was) (right|wrong|correct|true|false)\b")


def upholds(sentence: str, own: Iterable[str], shown: dict[str, str], *, goes_on: bool) -> bool | None:
    """Whether a sentence about the options leaves the chosen ones right; None where it says nothing of any.

    `own`: their letters. `goes_on`: the sentence before did so, and this one may be its reason and name none.
    """
    chosen = frozenset(own)
    if not {text.lower() for text in shown.values()}.isdisjoint(_JUDGED.findall(sentence)):
        return False  # Where an option is called "Right", "B is right" may name either.
    signed = _signed(sentence, shown)
    granted = _GRANTED.search(signed)
    own_words = frozenset[str]().union(*(telling(shown.get(letter, "")) for letter in chosen))
    if not _SIGN.search(signed):
        if granted and goes_on:
            return False
        long = len(signed.split()) >= _FEWEST_WORDS or (not signed.isascii() and len(signed) >= _FEWEST_HAN)
        reasons = goes_on and long and "?" not in sentence and "both" not in signed
        return (reasons and is_reason(signed, own_words)) or None
    turned = not words("others", "turning").isdisjoint(cues.plain_words(signed))
    if "?" in sentence or granted or turned or _ALL in signed:
        return False
    # What is set aside may share a word with the chosen option: "A is wrong: no rib fracture", "C. Skull fracture".
    named = frozenset[str]().union(
        *(content(text) for letter, text in shown.items() if letter not in chosen and text in sentence)
    )
    mine = frozenset(chr(_FIRST + ord(letter) - 65) for letter in chosen)
    return _agree(_clauses(_BARE.sub(r"\1", signed)), mine, own_words - named)


def names_any(sentence: str, shown: dict[str, str]) -> bool:
    """Whether a sentence names an option by letter or text, or some of them together: "the others"."""
    return _SIGN.search(_signed(sentence, shown)) is not None


def _agree(clauses: list[str], mine: frozenset[str], own_words: frozenset[str]) -> bool:
    """Whether every clause of a sentence leaves the chosen options (`mine`) standing, and them alone."""
    aside = frozenset[str]().union(
        *(_SIGN.findall(clause) for clause in clauses if denied_times(clause) % 2 and mine.isdisjoint(clause))
    )
    spoken_of = ""
    for clause in clauses:
        if _SIGN.search(clause):
            spoken_of = clause
            if not _fits(clause, mine, aside) or _denies_own(clause, own_words):
                return False
        elif any(map(str.isalnum, clause)):
            verdict = not mine.isdisjoint(spoken_of) and _is_verdict(clause)
            if verdict or not is_reason(clause, own_words):
                return False
    return True


def _clauses(signed: str) -> list[str]:
    """The clauses of a sentence; one that begins with its verb has the subject of the one before it."""
    found: list[str] = []
    spoken_of = ""
    for clause in map(str.strip, _CLAUSE.split(signed)):
        signs = "".join(_SIGN.findall(clause))
        if not signs and spoken_of and _PREDICATE.match(clause):
            clause = f"{spoken_of} {clause}"
        spoken_of = signs or spoken_of
        found.append(clause)
    return found


def upholds_text(sentence: str, own: tuple[str, ...], *, goes_on: bool) -> bool | None:
    """As `upholds`, where any words may be an answer: the sentence itself says what it rules out ("CT is ruled out")."""
    shown = {chr(_FREE + place): text for place, text in enumerate(own[: _FORMS - 1])}
    chosen = tuple(shown)
    found = _RULED_OUT.match(sentence)
    other = strip_edges(found.group(1) or found.group(2)) if found else ""
    if other and content(other).isdisjoint(frozenset[str]().union(*map(content, own))):
        shown[chr(_FREE + _FORMS - 1)] = other
    upheld = upholds(sentence, chosen, shown, goes_on=goes_on)
    # Where any words are an answer, only what is ruled out in so many words is none.
    return None if upheld and not goes_on and len(shown) == len(chosen) else upheld


def _fits(clause: str, mine: frozenset[str], aside: frozenset[str]) -> bool:
    """Whether a clause that names options sets the others aside and leaves the chosen ones (`mine`) standing.

    `aside`: what the sentence sets aside anywhere, and may describe elsewhere.
    """
    found = cues.plain_words(clause)
    if not words("others", "open").isdisjoint(found) or cues.contains(clause, words("others", "turning_cn")):
        return False
    signs = frozenset(_SIGN.findall(clause))
    denials = denied_times(clause)
    if not mine.isdisjoint(signs):
        return mine.issuperset(signs) and denials == 0
    if denials % 2:
        return True
    described = aside.issuperset(signs) or _NEUTRAL.search(clause)
    return bool(described) and denials == 0 and words("others", "asserting").isdisjoint(found)


def is_reason(clause: str, own_words: frozenset[str]) -> bool:
    """Whether a clause that names no option gives a finding: no answer, no doubt, nothing that denies the chosen one."""
    found = cues.plain_words(clause)
    if not any(map(str.isalpha, clause)):
        return False
    if any(not words("others", name).isdisjoint(found) for name in ("naming", "turning", "open")):
        return False
    if cues.contains(clause, words("others", "naming_cn") | words("others", "turning_cn")):
        return False
    return not _denies_own(clause, own_words)


def _is_verdict(clause: str) -> bool:
    """Whether a few words deny what stands before them: "(rejected)", "unlikely"."""
    brief = len(clause.split()) < _FEWEST_WORDS if clause.isascii() else len(clause) < _FEWEST_HAN
    return brief and denied_times(clause) > 0


def _denies_own(clause: str, own_words: frozenset[str]) -> bool:
    """Whether a clause denies something in words of the chosen option."""
    if not denied_times(clause):
        return False
    said = content(clause)
    return (
        not own_words.isdisjoint(said)
        or any(word in clause for word in own_words if not word.isascii())
        # "No embolus" denies an embolism.
        or not {word[:_STEM] for word in own_words if len(word) > _STEM}.isdisjoint(
            word[:_STEM] for word in said if len(word) > _STEM
        )
    )


def denied_times(clause: str) -> int:
    """How often a clause denies; "neither ... nor" once."""
    count = len(_denying().findall(clause))
    return count - 1 if "neither" in clause and "nor" in clause else count


def _signed(sentence: str, shown: dict[str, str]) -> str:
    """The sentence in small letters, with signs in the place of options."""
    letters = tuple(shown.items())
    text = _texts(letters).sub(lambda found: _sign_of_text(found.group(), letters), sentence)
    text = _LETTER.sub(lambda found: _sign_of_letter(found, shown), _PERSON.sub("we", text))
    before, others, behind = _OTHERS.sub(_OTHER, text.lower()).partition(_OTHER)
    text = _EVERY.sub(_ALL, f"{before}{others}{_OF_THEM.sub('not', behind)}")
    text = _TWICE.sub(r"\1", _OTHERWISE.sub(f"{_OTHER} not", text))
    text = _NOUN_CN.sub("", _NOUN.sub("", text))
    text = _ELSEWHERE.sub(r"\1 refers ", _UNLIKE.sub(", ", text))
    text = _LIST.sub(lambda found: "".join(_SIGN.findall(found.group())), text)
    text = _THEREFORE.sub(", is", _HELD.sub("instead_of", _SAME.sub("not ", text)))
    return _DASH.sub(" ", text.lstrip("-*• |"))


@lru_cache(maxsize=4096)
def _texts(letters: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    named = sorted(
        {text for _, text in letters if len(text) > 1 or text.isdigit()}, key=lambda text: (-len(text), text)
    )
    parts = [_surface(text) for text in named]
    return re.compile("|".join(parts) or r"(?!)", re.IGNORECASE)


def _surface(text: str) -> str:
    """A pattern for an option's text; the stop in "E. coli" may have been read as the mark behind a letter."""
    if not text.isascii():
        return re.escape(text)
    return r"(?<![A-Za-z0-9])" + re.escape(text).replace("\\.\\ ", "[.)] ") + r"(?:s|es)?(?![A-Za-z0-9])"


def _sign_of_text(found: str, letters: tuple[tuple[str, str], ...]) -> str:
    low = found.lower()
    best = max(
        (
            (text, letter)
            for letter, text in letters
            if low.replace(") ", ". ").startswith(text.lower()) and text
        ),
        default=("", ""),
    )
    return chr(_FIRST + ord(best[1]) - 65)


def _sign_of_letter(found: re.Match[str], shown: dict[str, str]) -> str:
    name = found.group(1)
    following = found.string[found.end() :]
    small = following[:1] == " " and following[1:2].islower() and following[1:2].isascii()
    if name not in shown or (name in "AI" and small and not _VERB.match(following)):
        return found.group()
    return chr(_FIRST + ord(name) - 65)


@cache
def _denying() -> re.Pattern[str]:
    english = "|".join(re.escape(entry) for entry in longest_first("others", "denying"))
    chinese = "|".join(longest_first("others", "denying_cn"))
    return re.compile(rf"\b(?:instead_of|{english})\b|{chinese}")
