"""The option that leaves a question open ("maybe"), in other words than its own: "The data are not conclusive", "It depends".

Not knowing is no such answer: "I cannot tell" speaks of the speaker, "it is unclear" of the question.
"""

from __future__ import annotations

import re

from lingshu_train.verify.lexicon import words
from lingshu_train.verify.options import Options

_STATE = (
    "maybe|perhaps|possibly|unclear|uncertain|undetermined|inconclusive|unsettled|debatable|controversial|equivocal|mixed"
    "|conflicting|insufficient"
)
_OPEN = re.compile(
    r"(?:(?:it|this|that|the (?:answer|evidence|data|results?|findings?|literature|effect|benefit|question)"
    r"(?: (?:is|are|for|of|on) (?:this|that|it))?)"
    r" (?:is|are|remains?|seems?|appears?)(?: still| yet| currently)? )?"
    rf"(?:(?:not|in)(?: yet| entirely)? (?:clear|certain|conclusive|settled|established|determined)|{_STATE})(?: yet| so far)?"
    r"|(?:it|that|this) depends(?: on [a-z ]{3,40})?",
    re.IGNORECASE,
)


def letter(text: str, options: Options) -> str:
    """The letter of the only option that leaves the question open, where a text does so; empty elsewhere."""
    open_ones = [
        name for name, shown in options.shown.items() if shown.lower() in words("words", "open_option")
    ]
    return open_ones[0] if len(open_ones) == 1 and _OPEN.fullmatch(text.strip(" .")) else ""
