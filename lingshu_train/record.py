"""The records that cross module borders: Sample, Prompt and Completion in, Verdict and Score out. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict, get_args

if TYPE_CHECKING:
    from PIL.Image import Image

AnswerType = Literal["mcq", "yes_no", "short", "numeric", "multi_select", "bbox", "label_set", "free"]
ANSWER_TYPES: tuple[str, ...] = get_args(AnswerType)

PAIR = "pair:"
"""Begins the one of a sample's `parents` that names its counterfactual pair: two samples that ask the same of two versions of a
picture, whose right answers differ."""
IMAGE_MARK = "<image>"
"""In a question, an earlier question or an option: where the next of the sample's pictures stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked, and the answer that counts as right: the fields of a sample that stand beside every answer to it.

    `options` maps a letter to its text (mcq, multi_select). `modality` is a word of `vocabulary`, in lower case the
    publisher's where it has none for it, empty where none is stated.
    """

    id: str
    card: str
    task: str
    question: str
    answer: str
    options: Mapping[str, str] = field(default_factory=dict)
    modality: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Asked):
    """One question about zero or more images, with the answer that counts as right.

    `images` are sha256 digests of image files in the corpus that holds the sample. They stand, in their order, at the
    IMAGE_MARKs of the earlier questions, the question and its options, one for each; where there is no mark, all of them
    before the first question. `question_type` "free" marks text that no rule can judge (captions, reports). `reasoning` is
    the trace that supervised fine-tuning teaches before the answer, empty where there is none, and `form` how the two are
    written: a text with {reasoning} and {answer}, or empty for the tags of data/chat.py. `turns` are earlier questions of the
    same dialogue, each with its answer, which is taught too. `system` stands before all of it, in place of the recipe's system
    prompt, where the publisher's row has one of its own. `group` is the patient, volume or picture the sample was cut from:
    splits never divide a group. `parents` are the ids of the rows that it was made from, where a model or a rule wrote it.
    `tags` are further words of the publisher on a question, by their kind, such as its subject or difficulty: accuracy is told
    by each of them.
    """

    split: str
    question_type: AnswerType
    aliases: tuple[str, ...] = ()
    tol: float | None = None
    images: tuple[str, ...] = ()
    turns: tuple[tuple[str, str], ...] = ()
    reasoning: str = ""
    form: str = ""
    system: str = ""
    group: str = ""
    parents: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


def pair_of(parents: Sequence[str]) -> str:
    """Among the parents of a sample the name of the counterfactual pair of which it is a half, empty where it is of none."""
    return next((name for name in parents if name.startswith(PAIR)), "")


class TextPart(TypedDict):
    """Text in a message that has pictures too."""

    type: Literal["text"]
    text: str


class ImageMark(TypedDict):
    """Where a picture stands in a message; the picture itself lies beside the messages."""

    type: Literal["image"]


class Message(TypedDict):
    """One turn of a conversation, as chat templates and OpenAI-compatible servers read it."""

    role: Literal["system", "user", "assistant"]
    content: str | list[TextPart | ImageMark]


Pictures: TypeAlias = "Sequence[Image]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A conversation that waits for an answer.

    `images` belong to the marks in `messages`, in their order; given as a function they are opened when an engine comes
    to them. `seed` is that of the first completion, the next has the one after it; None: the engine derives it from
    `id` and the sampling's own. `card` is the data card the text and pictures come from, which decides whether they may
    leave this machine.
    """

    id: str
    messages: Sequence[Message]
    images: Pictures | Callable[[], Pictures] = ()
    seed: int | None = None
    card: str = ""

    def pictures(self) -> Pictures:
        return self.images() if callable(self.images) else self.images


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How completions are drawn, whole: no engine adds a default of its model's.

    At most `max_tokens` tokens each, `n` for every prompt. `temperature` 0 takes the likeliest token, so that there is
    one completion; above it, tokens are drawn from the likeliest that make up `top_p`. `stop` are texts that end a
    completion and are cut off. `log_probs` asks for those of every token.
    """

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    n: int = 1
    stop: tuple[str, ...] = ()
    seed: int = 0
    log_probs: bool = False

    def __post_init__(self) -> None:
        assert self.n == 1 or self.temperature > 0, f"{self.n} times the same greedy completion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a model wrote: decoded text without special tokens, and its tokens with the one that ended it.

    `log_probs` are natural logarithms under the model's own distribution (temperature 1), one a token. `token_ids` and
    `log_probs` are empty where the engine does not tell them. `finish` is "stop", "length" where it ran into
    `max_tokens`, or another word of the engine's. `seed` is what it was drawn with. `cached`: read from an earlier
    answer, without asking. `prompt` is the text that the model was given, as its chat template writes it, with special
    tokens and one mark a picture; empty where the engine does not know it.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()
    finish: str = "stop"
    max_tokens: int = 0
    seed: int = 0
    cached: bool = False
    prompt: str = ""

    @property
    def truncated(self) -> bool:
        return self.finish == "length"


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
class Judged:
    """One question, answered and judged. `prompt` is the text that the model was given, where the engine tells it; else the
    conversation by roles."""

    sample: Sample
    prompt: str
    completion: Completion
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One reward's view of one completion. `value` None means unscored (an outage, a time-out), never zero."""

    value: float | None
    status: str
    detail: Mapping[str, object] = field(default_factory=dict)
