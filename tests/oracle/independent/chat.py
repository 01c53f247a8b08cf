"""A row as the text of a ChatML conversation, in pieces that are asked and pieces that are answered."""

from __future__ import annotations

from .rows import Row

PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
MARK = "<image>"
_SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


def pieces(row: Row) -> list[tuple[str, str]]:
    """Question and answer of each turn: what is asked up to the assistant's name, and what it says, to the newline."""
    data = row.data
    options = [f"{option['letter']}. {option['text']}" for option in data["options"]]
    asked = [turn["question"] for turn in data["turns"]] + ["\n".join([data["question"], *options])]
    answers = [_tagged(row, turn["answer"]) for turn in data["turns"]] + [target(row)]
    return [
        (
            ("" if turn else _SYSTEM) + f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n",
            f"{answer}<|im_end|>\n",
        )
        for turn, (question, answer) in enumerate(zip(_shown(asked, len(row.pictures)), answers, strict=True))
    ]


def target(row: Row) -> str:
    """The last answer, after its thought where there is one, in the row's own form or in tags."""
    thought, answer, form = row.data["reasoning"], row.data["answer"], row.data["form"]
    if not thought:
        return _tagged(row, answer)
    if not form:
        return f"<think>{thought}</think><answer>{answer}</answer>"
    before, _, rest = form.partition("{reasoning}")
    between, _, after = rest.partition("{answer}")
    return f"{before}{thought}{between}{answer}{after}"


def _tagged(row: Row, answer: str) -> str:
    """Free text stands as it is; what can be judged stands in a tag."""
    return answer if row.data["question_type"] == "free" else f"<answer>{answer}</answer>"


def _shown(asked: list[str], pictures: int) -> list[str]:
    """The questions with their pictures: at their marks, or before the first question where there is no mark."""
    if not any(MARK in question for question in asked):
        asked = [MARK * pictures + asked[0], *asked[1:]]
    assert sum(question.count(MARK) for question in asked) == pictures
    return [question.replace(MARK, PICTURE) for question in asked]
