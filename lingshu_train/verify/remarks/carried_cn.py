"""As `carried`, for Chinese, where no spaces set words off: 病变位于肝脏内."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from lingshu_train.verify.gold import GoldAnswer, Ruling
from lingshu_train.verify.lexicon import by_first, longest_first, words
from lingshu_train.verify.remarks import verbatim
from lingshu_train.verify.text import cues
from lingshu_train.verify.text.normal import strip_edges

HAN = re.compile("[\u3400-\u9fff]+")
_SIDED_CN = frozenset("左右上下前后内外")
_LONGEST_PIECE = 12
_MOST = 14
# So many spans are tried: a text made of such words alone must not cost more than its length.
_TRIED = 32


def read(text: str, gold: GoldAnswer, question: str) -> Ruling | None:
    """As `read`, where no spaces set words off: what may stand before and behind is cut off in pieces."""
    lent = _lent_cn(question)
    heads = _cuts(text, lent, "words_cn")
    tails = [
        len(text) - cut
        for cut in _cuts(text[::-1], tuple(one[::-1] for one in lent), "words_cn", turned=True)
    ]
    spans = [(start, end) for start in heads for end in tails if start < end and end - start < len(text)]
    for start, end in sorted(spans, key=lambda span: (span[1] - span[0], span))[:_TRIED]:
        cut = text[:start] + text[end:]
        if not any(verb in cut for verb in words("carriers", "verbs_cn")):
            continue
        ruling = gold.read(strip_edges(text[start:end]))
        if ruling.status == "right":
            return ruling._replace(rule=f"{ruling.rule}_carried")
    return None


def _cuts(text: str, lent: tuple[str, ...], name: str, *, turned: bool = False) -> list[int]:
    """Every place up to which a text is made of pieces that carry no answer, beginning with 0."""
    pieces = _pieces(name, turned)
    found, place = [0], 0
    while len(found) < _MOST:
        here = pieces.get(text[place : place + 1], ())
        piece = next((one for one in (*lent, *here) if text.startswith(one, place)), "")
        piece = piece or _shared(text, place, lent)
        if not piece:
            return found
        place += len(piece)
        found.append(place)
    return found


@cache
def _pieces(name: str, turned: bool) -> dict[str, tuple[str, ...]]:
    """The listed pieces by their first character, the longest first; `turned`: read from the end."""
    return by_first(one[::-1] if turned else one for one in longest_first("carriers", name))


def _shared(text: str, place: int, lent: tuple[str, ...]) -> str:
    """The longest piece of the question, of two characters at least and without a side, that stands at a place of a text."""
    for end in range(min(len(text), place + _LONGEST_PIECE), place + 1, -1):
        piece = text[place:end]
        if (
            _SIDED_CN.isdisjoint(piece.replace("下一步", ""))
            and not cues.hedges(piece)
            and any(piece in run for run in lent)
        ):
            return piece
    return ""


@lru_cache(maxsize=4096)
def _lent_cn(question: str) -> tuple[str, ...]:
    """The longest runs of a Chinese question that may stand beside its answer."""
    if verbatim.OFFERS.search(question.lower()):
        return ()
    asking = "|".join(longest_first("carriers", "asking_cn"))
    runs = [run for part in HAN.findall(question) for run in re.split(f"(?:{asking})", part)]
    kept = {part for run in runs for part in (run, *run.split("的")) if len(part) > 1}
    kept |= {run.rstrip("的是为有") for run in kept} | {run.lstrip("图中该这张") for run in kept}
    return tuple(sorted((run for run in kept if len(run) > 1), key=len, reverse=True))
