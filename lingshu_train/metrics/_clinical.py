"""What a chest report says of findings, by rules and without weights: each with its negation, side, size and certainty.

Two reports are compared finding by finding: found in both, missed, false, or contradicted (denied in one, on another side, of
another size). A closed lexicon (`_clinical.json`): what it does not hold is not counted. It sees what word overlap does not, a
changed side or a negation; it is no reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_SENTENCE = re.compile(r"[.;!?\n]+(?!\d)|(?:findings|impression)\s*:")
_TURN = re.compile(r"\b(?:but|however|although|except|with|which|while)\b")
_MEASURE = re.compile(r"(\d+(?:\.\d+)?) ?(mm|cm)\b")
_SIDES = re.compile(r"\b(left|right|bilateral|both)\b")
_DENIED = re.compile(r" (?:is|are|has|have) (?:not|resolved|cleared|absent)\b")
_REACH = 120
"""Characters before a finding in which a denial still reaches it, within its clause."""
_SAME_SIZE = 1.25
"""Of two measures, the larger is at most so many times the smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding as a report states it. `side`: "left", "right", "both" or empty; `size` in mm, 1 to 4 for words, or 0."""

    name: str
    there: bool
    side: str = ""
    size: float = 0.0
    measured: bool = False
    certain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Counts of findings of a report against its reference. `f1` is 0 where a report states nothing known."""

    matched: int
    missed: int
    false: int
    contradicted: int
    f1: float


def findings(text: str) -> tuple[Finding, ...]:
    """Every finding that a report states or denies, each name with the last thing said of each side."""
    found: dict[tuple[str, str], Finding] = {}
    for sentence in _SENTENCE.split(text.lower()):
        for one in _of_sentence(" ".join(sentence.split())):
            found[one.name, one.side] = one
    return tuple(found.values())


def compared(text: str, reference: str) -> Compared:
    """Findings that are there count; a finding that only one of them denies is no mistake."""
    mine = findings(text)
    said, wanted = _by_name(mine), _by_name(findings(reference))
    positive = {name for name, ones in wanted.items() if any(one.there for one in ones)}
    claimed = {name for name, ones in said.items() if any(one.there for one in ones)}
    contradicted = {name for name in said.keys() & wanted.keys() if _contradict(said[name], wanted[name])}
    matched = (positive & claimed) - contradicted
    missed, false = positive - claimed - contradicted, claimed - positive - contradicted
    wrong = len(missed) + len(false) + 2 * len(contradicted)
    share = 1.0 if not wrong and not matched else 2 * len(matched) / (2 * len(matched) + wrong)
    return Compared(
        matched=len(matched),
        missed=len(missed),
        false=len(false),
        contradicted=len(contradicted),
        f1=share if mine else 0.0,
    )


def _by_name(found: Sequence[Finding]) -> dict[str, list[Finding]]:
    names: dict[str, list[Finding]] = {}
    for one in found:
        names.setdefault(one.name, []).append(one)
    return names


def _contradict(mine: Sequence[Finding], theirs: Sequence[Finding]) -> bool:
    """Whether two reports say opposite things of one finding."""
    said, wanted = [one for one in mine if one.there], [one for one in theirs if one.there]
    if bool(said) != bool(wanted):
        return True
    if not said:
        return False
    sides, asked = {one.side for one in said} - {""}, {one.side for one in wanted} - {""}
    if sides and asked and not sides & asked and "both" not in sides | asked:
        return True
    measures = [(one.size, other.size) for one in said for other in wanted if one.measured and other.measured]
    return bool(measures) and all(max(pair) > _SAME_SIZE * min(pair) for pair in measures)


def _of_sentence(sentence: str) -> Iterator[Finding]:
    taken: list[tuple[int, int]] = []
    for name, pattern, there in _patterns():
        for place in pattern.finditer(sentence):
            if any(start < place.end() and place.start() < end for start, end in taken):
                continue
            taken.append(place.span())
            yield _finding(name, sentence, place, there=there)


def _finding(name: str, sentence: str, place: re.Match[str], *, there: bool) -> Finding:
    before = _TURN.split(sentence[max(0, place.start() - _REACH) : place.start()])[-1]
    behind = _TURN.split(sentence[place.end() :])[0]
    denied = bool(_listed("denying").search(before) or _DENIED.match(behind))
    sides = set(_SIDES.findall(f"{before} {place.group()} {behind}"))
    both = not sides.isdisjoint(("bilateral", "both")) or sides >= {"left", "right"}
    side = "both" if both else next(iter(sides), "")
    measure = _MEASURE.search(f"{before} {behind}")
    words = [size for word, size in _sizes().items() if re.search(rf"\b{word}\b", before)]
    size = (
        float(measure.group(1)) * (10 if measure.group(2) == "cm" else 1)
        if measure
        else float(words[-1] if words else 0)
    )
    return Finding(
        name=name,
        there=there != denied if there else False,
        side=side if there and not denied else "",
        size=size,
        measured=measure is not None,
        certain=not _listed("doubting").search(f"{before} {behind}"),
    )


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str], bool], ...]:
    """Normal statements first, then findings, the longest expression first: "calcified nodule" is no nodule."""
    normal = [(name, text, False) for name, texts in _table()["normal"].items() for text in texts]
    listed = [(name, text, True) for name, texts in _table()["findings"].items() for text in texts]
    listed.sort(key=lambda entry: (-len(entry[1]), entry[1]))
    return tuple((name, re.compile(rf"\b(?:{text})\b"), there) for name, text, there in (*normal, *listed))


@cache
def _listed(name: str) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(sorted(_table()[name], key=len, reverse=True)) + r")\b")


@cache
def _sizes() -> dict[str, int]:
    return {word: int(str(size)) for word, size in _table()["sizes"].items()}


@cache
def _table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(__file__).with_name("_clinical.json").read_text(encoding="utf-8"))
    return found
