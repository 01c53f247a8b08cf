"""What a yes/no question asks: for a normal finding, for an abnormal one, for the existence of something."""

from __future__ import annotations

import re
from functools import lru_cache

from lingshu_train.verify.lexicon import words

WORD = re.compile(r"[a-z0-9]+(?:'t)?|[\u3400-\u9fff]+|\S")
PARTICLES = "的了呢。"
GO_ON = frozenset(
    ("it", "there", "this", "the", "they", "these", "that", "because", "since", "as", "we", "i", "indeed")
)
_EXISTENCE = ("有", "无", "存在", "见", "显示")


# What is known of a question is kept for all its answers: 4096 questions are several windows of training.
@lru_cache(maxsize=4096)
def asks_normal(question: str) -> str:
    """Whether a question asks for "normal" or "abnormal"; empty for neither."""
    low = question.lower()
    if any(entry in low for entry in ("abnormal", "不正常", "异常")):
        return "abnormal"
    return "normal" if re.search(r"\bnormal\b|正常", low) else ""


def sign_of(name: str, question: str) -> str:
    """The sign that the words of a list (normal, exists, ...) have for this question; empty where it does not ask so."""
    if name in ("yes", "no"):
        return name
    if name in ("exists", "absent"):
        latin = WORD.findall(question.lower())
        asks = words("words", "visible") | words("words", "shows")
        chinese = any(entry in question for entry in _EXISTENCE) or (
            ("是否" in question or "吗" in question) and not asks_normal(question)
        )
        fits = chinese or not asks.isdisjoint(latin)
        fits = fits and words("words", "negation").isdisjoint(latin)
        return ("yes" if name == "exists" else "no") if fits else ""
    asked = asks_normal(question)
    return "" if not asked else "yes" if asked == name else "no"
