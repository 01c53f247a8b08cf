"""What an answer says it is taken from: "Based on the ultrasound image, ...", "In this chest X-ray, ...", 根据图像，... ."""

from __future__ import annotations

import re
from functools import cache

from lingshu_train.verify.lexicon import longest_first

# Words that may name the picture; "the previous image" and "a normal image" are other pictures.
_NAMING = (
    "provided given attached shown presented uploaded medical clinical above chest abdominal brain head x-ray xray"
    " histopathology histopathological pathology microscopic dermoscopic endoscopic fundus axial coronal sagittal ct mri mr"
    " ultrasound radiographic contrast-enhanced"
)
_MORE_NAMING = (
    "pelvic spinal lumbar cervical thoracic knee hip shoulder wrist hand foot ankle elbow skull neck"
    " frontal lateral pa ap portable"
    " plain t1-weighted t2-weighted flair renal thyroid breast cardiac abdominal dental panoramic skin retinal oct"
    " obstetric transvaginal 12-lead x-ray noncontrast non-contrast"
)
_ASKS_PICTURE = re.compile(
    r"\b(?:modality|technique|plane|sequence|weighting|projection|view|scanner)\b"
    r"|\b(?:what|which)(?: (?:type|kind|sort) of)? (?:medical |imaging |radiological )?"
    r"(?:image|imaging|scan|picture|study|examination|test|procedure)\b",
    re.IGNORECASE,
)
_PICTURES = frozenset(
    (
        "ct",
        "mri",
        "mr",
        "ultrasound",
        "x-ray",
        "xray",
        "x",
        "radiograph",
        "radiography",
        "mammogram",
        "mammography",
        "pet",
        "ecg",
    )
)
_PICTURE = (
    "image|picture|photo|photograph|scan|radiograph|x-ray|film|slide|view|ultrasound|mri|ct|mammogram|figure|findings|ecg"
    "|specimen"
)
_CN = re.compile(
    "^(?:根据|从|由|依据|结合)(?:该|此|本|这张|这幅|所给|提供的|上述)?(?:医学)?(?:图像|图片|影像|图中|图|影像学?(?:表现|特征|特点)|图像(?:表现|特征|特点)|临床(?:表现|症状|资料)|病史|以上表现|上述表现)(?:及(?:影像学?表现|病史|临床表现))?(?:的特[点征])?(?:来看|可知|可见|所示|所见|显示)?[,，]"
)


def named(text: str, question: str, offered: frozenset[str] = frozenset()) -> str:
    """A text in which "the chest X-ray", "this contrast-enhanced axial CT" are "the image", where its question asks for no kind
    of picture and none of its options (`offered`: their words) is one.
    """
    if not text.isascii() or asks_picture(question) or not _PICTURES.isdisjoint(offered):
        return text
    return _inner().sub(r"\1 image", text)


def asks_picture(question: str) -> bool:
    """Whether a question asks what kind of picture it is, or how it was made."""
    return _ASKS_PICTURE.search(question) is not None


def without(text: str) -> str:
    """A text without the words at its beginning that name the picture it speaks of."""
    found = (_CN if text[:1] in "根从由依结" else _english()).match(text)
    rest = text[found.end() :].lstrip() if found else ""
    return rest or text


@cache
def _inner() -> re.Pattern[str]:
    naming = "|".join(sorted([*_NAMING.split(), *_MORE_NAMING.split()], key=lambda word: (-len(word), word)))
    return re.compile(
        rf"\b(the|this)(?: (?:provided|given|attached))? (?:(?:{naming})[ -]){{0,4}}"
        rf"(?:{_PICTURE}|image|x-?ray scan|ct scan|mri scan)\b"
        r"(?! ?(?:findings|features|signs|appearances?|suite|room|report|request))",
        re.IGNORECASE,
    )


@cache
def _english() -> re.Pattern[str]:
    naming = "|".join(sorted(_NAMING.split(), key=lambda word: (-len(word), word)))
    modalities = "|".join(longest_first("vocabulary", "modalities"))
    return re.compile(
        r"(?:based on|according to|judging (?:by|from)|as (?:seen|shown) (?:in|on)"
        r"|(?:after |by )?(?:looking at|reviewing|examining|inspecting)|in|on|from) (?:the|this|your) "
        rf"(?:(?:{naming}|{modalities})[ -]){{0,4}}(?:{_PICTURE})(?: (?:provided|given|shown|above|you provided))?, ",
        re.IGNORECASE,
    )
