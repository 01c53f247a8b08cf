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
_PICTURE = (
    "image|picture|photo|photograph|scan|radiograph|x-ray|film|slide|view|ultrasound|mri|ct|mammogram|figure|findings|ecg"
    "|specimen"
)
_CN = re.compile(
    "^(?:根据|从|由|依据|结合)(?:该|此|本|这张|这幅|所给|提供的|上述)?(?:医学)?(?:图像|图片|影像|图中|图|影像表现|图像表现)(?:来看|可知|可见|所示|所见|显示)?[,，]"
)


def without(text: str) -> str:
    """A text without the words at its beginning that name the picture it speaks of."""
    found = (_CN if text[:1] in "根从由依结" else _english()).match(text)
    rest = text[found.end() :].lstrip() if found else ""
    return rest or text


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
