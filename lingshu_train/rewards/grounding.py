"""How well a box covers the finding: intersection over union with the gold box (type bbox)."""

from __future__ import annotations

from pydantic import Field

from lingshu_train.record import Completion, Sample, Score
from lingshu_train.rewards._examples import Changes, example
from lingshu_train.schema import Strict
from lingshu_train.verify import Policy, verify
from lingshu_train.verify.types.bbox import iou, read


class Params(Strict):
    """What overlap counts."""

    least: float = Field(default=0.25, ge=0, le=1)
    """Overlaps below it count as 0, so that a box over the whole image earns nothing."""


def score(sample: Sample, completion: Completion, params: Params) -> Score:
    """A value in [0, 1]; 0 with status "not_applicable" for any other type of question."""
    if sample.question_type != "bbox":
        return Score(value=0.0, status="not_applicable")
    verdict = verify(completion.text, sample, Policy.strict)
    gold, box = read(sample.answer), read(verdict.extracted)
    if gold is None:
        return Score(value=None, status="invalid_gold")
    if box is None or verdict.status not in ("right", "wrong"):
        return Score(value=0.0, status=verdict.status)
    overlap = iou(box, gold)
    value = overlap if overlap >= params.least else 0.0
    return Score(value=value, status="overlap" if value else "apart", detail={"iou": round(overlap, 4)})


_BOX: Changes = {
    "question_type": "bbox",
    "answer": "[0, 0, 100, 100]",
    "options": {},
    "question": "Where is the optic disc?",
}

EXAMPLES = (
    example("<think>Centre.</think><answer>[0, 0, 100, 100]</answer>", 1.0, **_BOX),
    example("<think>Upper half.</think><answer>[0, 0, 100, 50]</answer>", 0.5, **_BOX),
    example("<think>Elsewhere.</think><answer>[200, 200, 300, 300]</answer>", 0.0, **_BOX),
    example("<think>Two.</think><answer>[0, 0, 100, 100], [0, 0, 9, 9]</answer>", 0.0, **_BOX),
    example("<think>A letter.</think><answer>B</answer>", 0.0),
)
