"""What a text of a teacher must not say: that it refuses, and that it was told what it should have found."""

from __future__ import annotations

import re

_REFUSAL = re.compile(
    # "I am sorry to hear that" is what a kind reply says; "I am sorry, but I cannot help" is caught by either half.
    r"\b(?:i(?:'m| am) (?:sorry(?! (?:to (?:hear|learn|read)|that you|for|about|you))|unable)"
    r"|i can(?:no|')t (?:help|assist|provide|view|see|analy[sz]e|determine|interpret|answer)"
    r"|as an? (?:ai|language model|artificial)|i do(?: not|n't) have (?:access|the ability)"
    r"|unable to (?:view|see|access|open) (?:the|this|any) (?:image|picture|scan)|no (?:image|picture) (?:was |is )?"
    r"(?:provided|attached|visible|available)|cannot (?:be determined|view|see) (?:from )?(?:the|this) (?:image|picture))\b"
    r"|抱歉|作为一个?(?:人工智能|语言模型)|无法(?:查看|看到|提供|回答)",
    re.IGNORECASE,
)
_SOURCE = r"(?:caption|description|annotation|label|metadata|report text|ground[- ]truth|answer key|reference answer)"
_LEAK = re.compile(
    rf"\b(?:the|this|given|provided) (?:\w+ )?{_SOURCE}s?\b(?! (?:of|bone|vessel))"
    rf"|\b(?:according to|based on|as (?:stated|given|described|noted|indicated) (?:in|by)|consistent with) "
    rf"(?:the |this )?(?:provided |given |supplied |correct |known |accompanying ){{0,2}}(?:answer|option key|{_SOURCE})\b"
    r"|\b(?:provided|given|supplied|known|expected) (?:correct )?answer\b"
    r"|\bcorrect answer (?:is|was) (?:given|provided|known)\b"
    r"|\bground[- ]truth\b|\bbounding box(?:es)?\b|\b(?:red|drawn|highlighted) (?:box|rectangle)\b"
    r"|\bi (?:was|am) (?:told|given)\b"
    r"|标准答案|给定的?答案|根据(?:所给|提供)的?(?:答案|描述|标注)",
    re.IGNORECASE,
)


def refuses(text: str) -> str:
    """The words by which a text refuses; empty where it does not."""
    found = _REFUSAL.search(text)
    return found[0] if found else ""


def leaks(text: str) -> str:
    """The words by which a text tells that it was shown the answer, a caption or a box; empty where it does not."""
    found = _LEAK.search(text)
    return found[0] if found else ""
