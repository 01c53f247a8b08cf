"""An answer given as a JSON object: {"answer": "B", "explanation": "..."}, also inside a code fence.

Keys are a closed list: those that hold the answer, those that hold remarks, and how sure the model is. One unknown key, one
key twice, or two answers that are not both right make the object unreadable.
"""

from __future__ import annotations

import json
import re

from lingshu_train.verify.gold import Ruling
from lingshu_train.verify.lexicon import words
from lingshu_train.verify.remarks import after
from lingshu_train.verify.remarks.witness import Witness

_FENCE = re.compile(r"^```(?:json)?\s*|\s*```$")
_LONGEST = 1500
# An answer is no tree: deeper text costs the parser more than it can hold.
_DEEPEST = 12
_LEAST_SURE = 0.5


def read(text: str, gold: Witness) -> Ruling | None:
    """The ruling on the answer in a JSON object; None where the text is none or says more than an answer and its reasons."""
    found = _object(text)
    if found is None:
        return None
    answers: list[str] = []
    for name, value in found.items():
        key = re.sub(r"[\s_-]+", " ", name).strip().lower()
        if key in words("others", "answer_keys"):
            said = _said(value)
            if said is None:
                return None
            answers.append(said)
        elif not _beside(key, value, gold):
            return None
    rulings = [gold.read(said) for said in answers]
    if not rulings or len({ruling.status for ruling in rulings}) != 1:
        return None
    return rulings[0]._replace(rule=f"{rulings[0].rule}_record")


def _object(text: str) -> dict[str, object] | None:
    """The one object that a text is, no key twice; None for any other text."""
    body = _FENCE.sub("", text.strip()) if text.startswith("`") else text.strip()
    if not (body.startswith("{") and body.endswith("}")) or len(body) > _LONGEST:
        return None
    if body.count("{") + body.count("[") > _DEEPEST:
        return None
    if '"' not in body:
        # As Python writes it.
        body = body.replace("'", '"')
    try:
        pairs = json.loads(body, object_pairs_hook=lambda found: found)
    except ValueError:
        return None
    found = dict(pairs)
    return found if len(found) == len(pairs) else None


def _said(value: object) -> str | None:
    """A value as the text of an answer; a list as its members."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None or isinstance(value, dict):
        return {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list) and value and all(isinstance(one, str | int) for one in value):
        return ", ".join(map(str, value))
    return None


def _beside(key: str, value: object, gold: Witness) -> bool:
    """Whether what stands under another key leaves the answer right: a harmless remark, or that the model is sure."""
    if key in words("others", "sure_keys"):
        sure = isinstance(value, int | float) and not isinstance(value, bool)
        return sure and float(str(value)) >= _LEAST_SURE
    if key not in words("others", "remark_keys") or not isinstance(value, str):
        return False
    return not value.strip() or after.harmless(value, gold)
