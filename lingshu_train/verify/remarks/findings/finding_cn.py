"""As `finding`, for Chinese: what a text says of the finding that a question asks for, there or gone."""

from __future__ import annotations

import re
from functools import lru_cache

from lingshu_train.verify.lexicon import longest_first

_CLAUSE = re.compile(r"[,;:.!?()，。；：！？（）]|但是?|因为|由于|所以|因此|而")
_ASKING = re.compile(r"是否|有没有|有无|是不是|能否|可否|吗|呢|[?？。 ]")
# What a question asks for stands behind the last of these; the place before them.
_VERB = re.compile(r"有无|有没有|是否存在|是否有|是否可见|存在|可见|显示|提示|发现|看到|合并|伴有|伴|有|见")
_PREFIX = re.compile(r"^(?:明显|任何|的|了|一个|一处)+")
# 积液 for 胸腔积液: the head of a longer finding.
_HEAD = 2
_SIDES = ("左", "右")


@lru_cache(maxsize=4096)
def asked(question: str) -> str:
    """The finding that a question asks the existence of; empty where it asks something else."""
    verbs = list(_VERB.finditer(question))
    if not verbs:
        return ""
    found = _PREFIX.sub("", _ASKING.sub("", question[verbs[-1].end() :]).strip(",，"))
    return found if 2 <= len(found) <= 10 and not found.isascii() else ""


def said(text: str, question: str) -> str:
    """ "there" or "gone", as a text says of the finding asked for; empty where it says neither or both."""
    finding = asked(question)
    if not finding:
        return ""
    found = {_of_clause(clause.strip(), finding, question) for clause in _CLAUSE.split(text)} - {""}
    return found.pop() if len(found) == 1 else ""


def _of_clause(clause: str, finding: str, question: str) -> str:
    noun = finding if finding in clause else finding[-_HEAD:]
    place = clause.find(noun)
    if place < 0:
        return ""
    sides = [side for side in _SIDES if side in clause]
    if sides and any(side in question for side in _SIDES) and not any(side in question for side in sides):
        return ""
    before, after = clause[:place], clause[place + len(noun) :]
    # 心包积液 says nothing of 胸腔积液.
    other = noun != finding and not _sized().search(before)
    denied = _last(before, "before_cn")
    if denied is not None:
        # 不能排除 leaves it open; 未排除 too.
        return "" if _ends_with(before[: denied.start()], "still_cn") or other else "gone"
    gone = _first(after, "after_cn")
    if gone is not None:
        if _ends_with(after[: gone.start()], "still_cn") or _ends_with(before, "still_cn"):
            return "there"
        return "" if other else "gone"
    if other:
        return ""
    stays = _first(after, "stays_cn") is not None
    return "there" if stays or _last(before, "shown_cn") is not None else ""


def _last(text: str, name: str) -> re.Match[str] | None:
    return next(iter(reversed(list(_listed(name).finditer(text)))), None)


def _first(text: str, name: str) -> re.Match[str] | None:
    return _listed(name).search(text)


def _ends_with(text: str, name: str) -> bool:
    return re.search(rf"(?:{_listed(name).pattern})(?:完全|明显|被|能|可|见)?$", text) is not None


@lru_cache(maxsize=8)
def _listed(name: str) -> re.Pattern[str]:
    return re.compile("|".join(longest_first("findings", name)))


@lru_cache(maxsize=1)
def _sized() -> re.Pattern[str]:
    """What may stand right before a bare head noun that means the whole finding: a verb, a denial, a size; or nothing."""
    listed = [
        entry for name in ("before_cn", "shown_cn", "sized_cn") for entry in longest_first("findings", name)
    ]
    return re.compile(rf"^$|(?:{'|'.join(listed)})$")
