"""As `whole`, for Chinese, where no spaces set words off: a clause is cut into known words, the longest first."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from lingshu_train.verify.lexicon import by_first, entries, lists, longest_first, words
from lingshu_train.verify.remarks.findings.statements import proposition
from lingshu_train.verify.remarks.findings.vocabulary import Claim
from lingshu_train.verify.text import asks

_CLAUSE = re.compile(r"[,;:.!()，。；：！（）\s]|但是?|因为|由于|所以|因此|而且|并且|并(?!无)")
# 心影 is the heart as a radiograph shows it.
_SAME = (("心影", "心脏"), ("心脏影", "心脏"), ("肺野", "肺"), ("血肿", "出血"))
_SIDED = re.compile("^[左右双两上下前后内外][侧叶方部]?$")
_SHOWN = frozenset(("可见", "见", "显示", "看到", "发现", "图中可见", "可以看到", "观察到"))
_ORGANS = frozenset("肝肺肾脑胃脾胰胆骨")
_SIZE = re.compile(r"[0-9]+(?:mm|cm)?|ct|mri?|x|dr|t1|t2")
_RUN = re.compile("[\u3400-\u9fff]+|[a-z0-9]+")
_KINDS = (
    re.compile("类圆形|椭圆形|圆形|不规则形|方形|梭形|三角形|楔形|新月形|分叶状"),
    re.compile("t1|t2|flair|dwi"),
    re.compile("动脉期|门静脉期|静脉期|延迟期|平扫"),
    re.compile("冠状|矢状|横断|横轴|轴位|正位|侧位"),
)
_LISTS = ("struct_cn", "places_cn", "abnormal_cn", "normal_cn", "sizes_cn", "denying_cn")
_ASKING = re.compile(
    r"是否|有没有|有无|是不是|能否|可否|吗|呢|[?？。 ,，]|图像?中|该|这张|患者|可见|存在|出现|显示|有|的|存在"
)
_DENIED = ("不连续", "不规则", "不完整", "不清晰", "不光滑", "不对称", "不均匀", "不通畅", "无异常")
_DRAWN = re.compile("(?:线|边缘|边界|轮廓|影)(?:显示)?(?:清晰|清楚|锐利|明显|可见|清晰可见)$")
_GONE = re.compile(
    r"(?:吸收|消失|消退|愈合|清除|排除)了?吗?[?？]?$|是否(?:已)?(?:完全)?(?:吸收|消失|消退|愈合)"
)


def claims(tail: str, question: str, sign: str) -> list[Claim] | None:
    """The claim of every clause; None where one cannot be read."""
    found: list[Claim] = []
    tail, question = _plain(tail), _plain(question)
    for clause in map(str.strip, _CLAUSE.split(tail)):
        if not any(map(str.isalnum, clause)) or clause in words("words", sign):
            continue
        claim = _claim(clause, question, sign)
        if claim is None:
            return None
        if found and found[-1] == Claim("bare") and clause.startswith(entries("vocabulary", "properties_cn")):
            found.pop()
        found.append(claim)
    return found


def _plain(text: str) -> str:
    """A text with one name for what has several."""
    for name, plain in _SAME:
        text = text.replace(name, plain)
    return text


def asks_gone(question: str) -> bool:
    """Whether a question asks if a finding is gone."""
    return _GONE.search(question) is not None


@lru_cache(maxsize=4096)
def asks_normal(question: str) -> bool:
    """Whether a question asks for a normal state: 正常, or smooth, complete, clear and nothing that is a finding."""
    if asks.asks_normal(question):
        return asks.asks_normal(question) == "normal"
    predicate = question.rstrip("吗呢？? ")
    return predicate.endswith(entries("vocabulary", "normal_cn")) and not predicate.endswith(_DENIED)


def subject(question: str) -> str:
    """What a question asks about, where it names that first: 心影 of 心影是否增大."""
    found = re.match(r"([\u3400-\u9fff]{2,8}?)(?:是否|有无|有没有)", question)
    return found.group(1) if found else ""


def _other_kind(clause: str, question: str) -> bool:
    """Whether a clause names another shape, weighting, phase or plane than the question, and not that one: 椭圆形 for 圆形."""
    for kinds in _KINDS:
        asked, said = (set(kinds.findall(text.lower())) for text in (question, clause))
        if asked and said and asked.isdisjoint(said):
            return True
    return False


def _claim(clause: str, question: str, sign: str) -> Claim | None:
    if sign == "yes" and _other_kind(clause, question):
        return None
    restated = proposition(clause, question)
    if restated:
        return (
            Claim("there" if (sign == "yes") != asks_normal(question) else "gone")
            if restated == sign
            else None
        )
    drawn = _DRAWN.sub("", clause)
    if drawn != clause and sign == "yes" and drawn in question:
        # 骨折线清晰 says how well the finding is seen.
        return Claim("there")
    cut = _words(clause, question)
    if cut is None:
        return None
    denials = sum(word in words("vocabulary", "denying_cn") for word in cut)
    for one, other in lists("vocabulary", "opposite_places_cn").values():
        for asked, said in ((one, other), (other, one)):
            if asked in question and said not in question and any(said in word for word in cut):
                return Claim("elsewhere")
    return _weigh(cut, denials, question)


def _weigh(cut: list[str], denials: int, question: str) -> Claim | None:
    """The claim of a clause's words; None where they say both."""
    finding = [word for word in cut if word in words("vocabulary", "abnormal_cn")]
    normal = [word for word in cut if word in words("vocabulary", "normal_cn")]
    if finding and normal:
        return None
    if not finding and not normal:
        organ = any(word in words("vocabulary", "places_cn") and not _SIDED.search(word) for word in cut)
        if organ and not denials and any(word in _SHOWN for word in cut):
            # 肋膈角可见 says nothing of what is there.
            return None
        return Claim("denied" if denials % 2 else "bare")
    own = any(word in question or word in _asked(question) for word in finding)
    if (denials % 2 == 0) == bool(finding):
        if own:
            return Claim("elsewhere" if _other_place(cut, question) else "there")
        return Claim(
            "entity" if any(word in words("vocabulary", "entities_cn") for word in cut) else "abnormal"
        )
    entity = any(word in words("vocabulary", "entities_cn") for word in cut)
    return Claim("gone" if own else "absent" if entity and finding else "normal")


def _other_place(cut: list[str], question: str) -> bool:
    """Whether a clause puts the finding into another place than the question: 心包积液 for 胸腔积液."""
    theirs = [word for word in cut if word in words("vocabulary", "places_cn") and len(word) > 1]
    ours = [
        word
        for word in words("vocabulary", "places_cn")
        if len(word) > 1 and word in question and "侧" not in word
    ]
    theirs = [word for word in theirs if "侧" not in word]
    return bool(ours and theirs) and not any(
        one in other or other in one or not _ORGANS.isdisjoint(set(one) & set(other))
        for one in ours
        for other in theirs
    )


def _words(clause: str, question: str) -> list[str] | None:
    """The known words of a clause, in order; None where something is left over."""
    found: list[str] = []
    pieces = _pieces(question)
    for run in _RUN.findall(clause):
        if run.isascii():
            if not _SIZE.fullmatch(run) and run not in question.lower():
                return None
            continue
        place = 0
        while place < len(run):
            word = next((one for one in pieces.get(run[place], ()) if run.startswith(one, place)), "")
            if not word:
                return None
            found.append(word)
            place += len(word)
    return found


@cache
def _listed() -> tuple[str, ...]:
    return tuple(word for name in _LISTS for word in longest_first("vocabulary", name))


@lru_cache(maxsize=4096)
def _pieces(question: str) -> dict[str, tuple[str, ...]]:
    """Known words and the question's own by their first character, the longest first."""
    return by_first(sorted({*_listed(), *_asked(question)}, key=lambda word: (-len(word), word)))


@lru_cache(maxsize=4096)
def _asked(question: str) -> tuple[str, ...]:
    """What a question names, without the words that ask."""
    runs = [run for part in _ASKING.split(question.lower()) for run in _RUN.findall(part)]
    return tuple(run for run in runs if not run.isascii() and len(run) > 1)
