"""The records that cross module borders: Sample and Completion in, Verdict and Score out. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

AnswerType = Literal["mcq", "yes_no", "short", "numeric", "multi_select", "bbox", "label_set", "free"]
ANSWER_TYPES: tuple[str, ...] = get_args(AnswerType)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One question about zero or more images, with the answer that counts as right.

    `images` are sha256 digests of image files in the corpus that holds the sample. `options` maps a letter to its
    text (mcq, multi_select). `question_type` "free" marks text that no rule can judge (captions, reports).
    `reasoning` is the trace that supervised fine-tuning teaches, shown inside `<think>`; empty where there is none.
    `turns` are earlier questions of the same dialogue, each with its answer.
    `group` is the patient, volume or picture the sample was cut from: splits never divide a group.
    `modality` is a word of `vocabulary`, in lower case the publisher's where it has none for it, empty where none is stated.
    """

    id: str
    card: str
    split: str
    task: str
    question: str
    question_type: AnswerType
    answer: str
    options: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    tol: float | None = None
    images: tuple[str, ...] = ()
    turns: tuple[tuple[str, str], ...] = ()
    reasoning: str = ""
    group: str = ""
    modality: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What the model wrote: decoded text without special tokens, token ids, and whether it ran into the limit."""

    text: str
    token_ids: tuple[int, ...] = ()
    truncated: bool = False
    max_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The verifier's judgement of one response.

    `status` is "right", "wrong" or the name of a way of being unreadable; `rule` names the grammar rule that decided;
    `extracted` is the text taken as the answer, `normalized` its normal form.
    """

    correct: bool
    status: str
    rule: str = ""
    extracted: str = ""
    normalized: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One reward's view of one completion. `value` None means unscored (an outage, a time-out), never zero."""

    value: float | None
    status: str
    detail: Mapping[str, Any] = field(default_factory=dict)
