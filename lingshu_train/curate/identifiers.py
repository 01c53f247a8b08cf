"""Rows whose text may name a person: names, days, numbers and addresses are pointed out. The text itself is not repeated.

Rules, not a model: they find what is written as such things are written in reports. What was masked already is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, get_args

from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.schema import Strict

Kind = Literal["a day", "a name", "a number of a person", "an address"]
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)[a-z]*"
_YEAR = r"(?:19|20)\d\d"
_NAME = r"[A-Z][a-z]+(?:[-'][A-Z][a-z]+)?"
RULES: dict[Kind, tuple[re.Pattern[str], ...]] = {
    "a day": (
        re.compile(rf"\b(?:0?[1-9]|[12]\d|3[01])[./-](?:0?[1-9]|1[0-2])[./-](?:{_YEAR}|\d\d)\b"),
        re.compile(rf"\b(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])/(?:{_YEAR}|\d\d)\b"),
        re.compile(rf"\b{_YEAR}[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])\b"),
        re.compile(rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)? {_MONTH}\.?,? {_YEAR})\b", re.IGNORECASE),
        re.compile(rf"\b(?:{_MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?,? {_YEAR})\b", re.IGNORECASE),
        re.compile(r"(?:19|20)\d\d ?年 ?\d{1,2} ?月 ?\d{1,2} ?日"),
        re.compile(r"\b(?:date of birth|dob|born on) ?:? ?\d", re.IGNORECASE),
    ),
    "a name": (
        re.compile(rf"\b(?:Dr|Mr|Mrs|Ms|Miss|Prof)\.? {_NAME}"),
        re.compile(
            rf"\b(?:[Pp]atient(?:'s)? [Nn]ame|[Nn]ame of (?:the )?patient|[Rr]eferring physician|[Pp]hysician|[Rr]adiologist"
            rf"|[Dd]ictated by|[Ss]igned by|[Rr]eported by|[Pp]atient) ?: ?(?:Dr\.? )?{_NAME}"
        ),
        re.compile(rf"\b[Pp]atient(?:'s)? [Nn]ame(?: is)? {_NAME}"),
        re.compile(r"(?:患者姓名|姓名|患者)[:\uff1a]\s?[\u4e00-\u9fff]{2,4}"),
    ),
    "a number of a person": (
        re.compile(
            r"\b(?:MRN|(?:medical record|patient|accession|hospital|case) (?:id|number|no\.?)|accession|SSN"
            r"|social security(?: number)?|NHS(?: number)?)[ :#]*[A-Z]{0,4}-?\d[\d -]{3,}",
            re.IGNORECASE,
        ),
        re.compile(r"\b\d{3}-\d{2}-\d{4}\b"),
        re.compile(r"(?:住院号|病历号|身份证号|检查号)[:\uff1a]?\s?[A-Z]?\d{4,}"),
    ),
    "an address": (
        re.compile(r"\b[\w.+-]+@[\w-]+\.[a-z]{2,}\b", re.IGNORECASE),
        re.compile(r"(?:\b(?:tel|phone|fax|call)\b[ .:]*)\+?[\d() .-]{7,}\d", re.IGNORECASE),
        re.compile(r"\(\d{3}\) ?\d{3}-\d{4}\b|\b\d{3}-\d{3}-\d{4}\b"),
        re.compile(
            rf"\b\d{{1,5}} (?:{_NAME} ){{1,3}}(?:Street|St|Avenue|Ave|Road|Rd|Lane|Drive|Boulevard|Blvd)\b"
        ),
    ),
}


_TITLES = ("Dr", "Mr", "Ms", "Miss", "Prof")
_BEFORE = ("atient", "hysician", "adiologist", "ictated by", "igned by", "eported by")
_NEEDS: dict[Kind, tuple[str, ...]] = {
    "a day": (),
    "a name": (*_TITLES, *_BEFORE, "姓名", "患者"),
    "a number of a person": (),
    "an address": ("@",),
}
"""Of what each rule of a kind finds, one of these is a part, or a digit is: most texts hold neither, and no rule is asked."""
_DIGITS: tuple[Kind, ...] = ("a day", "a number of a person", "an address")
_DIGIT = re.compile(r"\d")


class Params(Strict):
    """What may name a person."""

    kinds: tuple[Kind, ...] = get_args(Kind)
    """What is looked for."""
    action: Literal["flag", "drop"] = "flag"
    """What becomes of such a row."""


def judge(row: Candidate, params: Params) -> Iterator[Decision]:
    texts = [(name, text, _DIGIT.search(text) is not None) for name, text in row.texts() if text]
    for kind in params.kinds:
        for name, text, digit in texts:
            if not (digit and kind in _DIGITS) and not any(part in text for part in _NEEDS[kind]):
                continue
            if any(rule.search(text) for rule in RULES[kind]):
                yield (row.drop if params.action == "drop" else row.flag)(kind, value=name)
                break
