"""Rows that state no modality are tagged with the one that their text names; rows whose text names another are pointed out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.record import Sample
from lingshu_train.schema import Strict
from lingshu_train.vocabulary import ModalityWord

_LONG: dict[ModalityWord, str] = {
    "x-ray": r"x-?rays?|radiographs?|radiography|plain films?",
    "mammogram": r"mammogra(?:m|ms|phy|phic)",
    "fluoroscopy": r"fluoroscop(?:y|ic)|barium (?:swallow|enema|meal)",
    "angiography": r"angiogra(?:m|ms|phy|phic)",
    "ct": r"computed tomograph(?:y|ic)",
    "mri": r"mr imag(?:e|es|ing)|magnetic resonance|t[12][- ]?weighted",
    "pet": r"positron emission tomography",
    "bone scan": r"bone scans?|bone scintigraphy",
    "ultrasound": r"ultrasound|ultrasonogra(?:m|ms|phy|phic)|sonogra(?:m|ms|phy|phic)|echocardiogra(?:m|ms|phy|phic)",
    "oct": r"optical coherence tomography",
    "fundus photograph": r"(?:colou?r )?fundus (?:photographs?|photography|images?)",
    "dermoscopy": r"derm(?:at)?oscop(?:y|ic)",
    "endoscopy": r"endoscop(?:y|ic)|colonoscop(?:y|ic)|gastroscop(?:y|ic)|bronchoscop(?:y|ic)",
    "histopathology": r"histopatholog(?:y|ic|ical)|ha?ematoxylin|photomicrographs?|biopsy specimen",
    "electron microscopy": r"electron micro(?:scopy|graphs?)",
    "ecg": r"electrocardiogra(?:m|ms|phy)",
}
"""Words that name a modality and hardly ever anything else."""
_SHORT: dict[ModalityWord, str] = {
    "x-ray": "CXR|AXR|X线|胸片",
    "mammogram": "钼靶",
    "angiography": "DSA|血管造影",
    "ct": "CT|CBCT|HRCT|CECT|CTA|计算机断层",
    "mri": "MRI|MRA|FLAIR|DWI|T[12]WI?|磁共振|核磁",
    "pet": "PET",
    "spect": "SPECT",
    "ultrasound": "超声",
    "oct": "OCT",
    "fundus photograph": "眼底照",
    "dermoscopy": "皮肤镜",
    "endoscopy": "内镜|胃镜|肠镜",
    "histopathology": "H ?& ?E|病理切片",
    "ecg": "ECG|EKG|心电图",
}
"""Abbreviations, in capitals alone, since written small they are words; and Chinese."""
_RULES = {
    word: tuple(
        re.compile(rf"(?<![A-Za-z])(?:{rules[word]})(?![A-Za-z])", flags)
        for rules, flags in ((_LONG, re.IGNORECASE), (_SHORT, 0))
        if word in rules
    )
    for word in (*_LONG, "spect")
}
_ELSEWHERE = re.compile(
    r"\b(?:no|not|without|than|prior|previous|recommend\w*|suggest\w*|further|follow-?up)\b[^.;]{0,24}$",
    re.IGNORECASE,
)
"""Before a modality: it was not used for this picture."""


class Params(Strict):
    """What is told from words."""

    conflicts: bool = True
    """Also point out a row that states one modality while its text names another, and no word for its own."""


def judge(row: Candidate, params: Params) -> Iterator[Decision]:
    if not row.pictures:
        return
    found = told(row.sample)
    stated = row.sample.modality
    if not stated and len(found) == 1:
        yield row.tag("modality", value=found[0])
    elif params.conflicts and stated in _RULES and found and stated not in found:
        yield row.flag("the text names another modality than the row states", value=", ".join(found))


def named(text: str) -> list[str]:
    """The modalities that a text says were used, in the order of the list."""
    return [
        word
        for word, rules in _RULES.items()
        if any(not _ELSEWHERE.search(text, 0, hit.start()) for rule in rules for hit in rule.finditer(text))
    ]


def told(sample: Sample) -> list[str]:
    """The modalities that a row's text names."""
    return named(_told(sample))


def _told(sample: Sample) -> str:
    """What a row says of its pictures, without what it only asks: "Is this a CT?" says nothing, nor do wrong options."""
    said = [text for _, text in sample.turns]
    if sample.question_type not in ("yes_no", "mcq", "multi_select"):
        said.append(sample.question)
    said.append(sample.options.get(sample.answer, sample.answer))
    return " . ".join((*said, sample.reasoning))
