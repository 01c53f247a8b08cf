"""How the questions of a benchmark are put: as they stand or as MedEvalKit words them; a part of them, without pictures, or
with their options in other orders.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lingshu_train.data.corpus.lazily import Lazily
from lingshu_train.evaluation.benchmarks.suite import Benchmark
from lingshu_train.naming import digest
from lingshu_train.record import IMAGE_MARK, Sample

PromptSet = Literal["ours", "medevalkit/direct", "medevalkit/reasoning"]
FEW = 20
"""Questions of a benchmark in a quick look."""
ORDER = "#order-"
"""In the id of a question that is asked with its options in drawn orders, before the number of the order."""
_HAN = re.compile(r"[\u3400-\u9fff]")
_YES_NO = frozenset(("yes", "no"))
_YES_NO_ZH = frozenset(("是", "否"))
_BOX = '"\\boxed{}"'
_ASKS = {
    ("choice", "en"): ("Answer with the option's letter from the given choices directly.",
                       f"Answer with the option's letter from the given choices and put the letter in one {_BOX}."),
    ("yes_no", "en"): ("Please output 'yes' or 'no'(no extra output).",
                       f'Please output "yes" or "no" and put the answer in one {_BOX}.'),
    ("closed", "en"): ("Answer the question using a single word or phrase.",
                       f"Answer the question using a single word or phrase and put the answer in one {_BOX}."),
    ("open", "en"): ("Please answer the question concisely.",
                     f"Please answer the question concisely and put the answer in one {_BOX}."),
    ("choice", "zh"): ("请直接使用给定选项中的选项字母来回答该问题。",
                       '请直接使用给定选项中的选项字母来回答该问题,并将答案包裹在"\\boxed{}"里'),
    ("yes_no", "zh"): ("请输出'是'或'否'(不要有任何其它输出)。", "请输出'是'或'否'，并将答案放在一个'\\boxed{}'中。"),
    ("closed", "zh"): ("请用一个单词或者短语回答该问题。", "请用一个单词或者短语回答该问题，并将答案放在一个'\\boxed{}'中。"),
    ("open", "zh"): ("请简要回答该问题。", "请简要回答该问题，并将答案放在一个'\\boxed{}'中。"),
}  # fmt: skip
_REPORT = (
    "You are a helpful assistant. Please generate a report for the given images, including both findings and impressions. "
    "Return the report in the following format: Findings: {} Impression: {}."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a benchmark is asked. `limit` 0: all questions. `shuffles` 0: options as they stand; else each choice is asked so
    many times, its options in another order each time. `draws`: answers that are drawn for each question."""

    prompts: PromptSet = "ours"
    limit: int = 0
    few: bool = False
    images: bool = True
    shuffles: int = 0
    draws: int = 1

    @property
    def variant(self) -> str:
        """Names what is asked otherwise than the benchmark has it, whose results stand beside its own; empty: nothing."""
        return "-".join(
            ["text-only"] * (not self.images)
            + ["shuffled"] * bool(self.shuffles)
            + ["drawn"] * (self.draws > 1)
        )

    @property
    def fingerprint(self) -> str:
        """Names the wording: equal ones ask alike."""
        return digest([self.prompts, sorted(map(str, _ASKS.items())), _REPORT])[:12]


def drawn(samples: Sequence[Sample], way: Way) -> Sequence[Sample]:
    """The questions to be asked, in their order; `few` draws by the hash of their ids. Each is made when it is looked at."""
    places: Sequence[int] = range(len(samples))
    if way.few:
        first = sorted((digest(one.id), place) for place, one in enumerate(samples))[:FEW]
        places = sorted(place for _, place in first)
    if way.limit:
        places = places[: way.limit]
    orders = [(place, -1) for place in places] if not way.shuffles else _orders(samples, places, way.shuffles)
    return _Drawn(samples, orders, images=way.images)


def _orders(samples: Sequence[Sample], places: Sequence[int], times: int) -> list[tuple[int, int]]:
    """Each choice `times` times, the number of its order beside it; what has no options once."""
    found = []
    for place in places:
        one = samples[place]
        choice = one.question_type == "mcq" and one.answer.strip().upper() in one.options
        found += [(place, number) for number in range(times)] if choice else [(place, -1)]
    return found


class _Drawn(Lazily[tuple[int, int]]):
    """Samples by place and number of the order of their options."""

    def __init__(self, samples: Sequence[Sample], orders: Sequence[tuple[int, int]], *, images: bool) -> None:
        super().__init__(orders)
        self._samples, self._images = samples, images

    def _one(self, at: tuple[int, int]) -> Sample:
        place, number = at
        one = self._samples[place] if self._images else _without_images(self._samples[place])
        return one if number < 0 else _shuffled(one, number)


class Seen(Lazily[int]):
    """Samples as the model sees them: `put`, one by one when they are looked at."""

    def __init__(self, samples: Sequence[Sample], way: Way, benchmark: Benchmark) -> None:
        super().__init__(range(len(samples)))
        self._samples, self._way, self._benchmark = samples, way, benchmark

    def _one(self, at: int) -> Sample:
        return put(self._samples[at], self._way, self._benchmark)


def put(sample: Sample, way: Way, benchmark: Benchmark) -> Sample:
    """The sample as the model sees it: the prompt set's words in the place of question and options."""
    if way.prompts == "ours" or benchmark.style == "rubric":
        return sample
    return replace(sample, question=worded(sample, way.prompts, benchmark), options={})


def worded(sample: Sample, prompts: PromptSet, benchmark: Benchmark) -> str:
    """The last turn of the user, as MedEvalKit words it for that benchmark."""
    if sample.question_type == "free":
        return _REPORT
    language = language_of(sample.question)
    ask = _ASKS[_form(sample, benchmark), language][prompts == "medevalkit/reasoning"]
    question = sample.question
    if benchmark.style == "mmmu":
        listed = "".join(f"\n({letter}) {text}" for letter, text in sample.options.items())
        gap = "\n\n" if listed else ""
        return f"\n{question}\n{listed}{gap}\n{' ' * 8}{ask}"
    if not sample.options:
        return f"{question}\n{ask}"
    bare = benchmark.style == "bare"
    listed = "\n".join(
        text if bare else f"{letter}{benchmark.options}{text}" for letter, text in sample.options.items()
    )
    if language == "zh":
        return f"\n问题： {question}\n选项： \n{listed}\n{ask}"
    before = "\n"
    if benchmark.style == "pubmedqa" and question.startswith("Context:"):
        context, _, question = question.rpartition("\n")
        before = f"{context}\n\n"
    return f"{before}Question: {question}\nOptions: \n{listed}\n{ask}"


def language_of(text: str) -> Literal["en", "zh"]:
    """Chinese where a Chinese character stands: English has signs beyond ASCII too, such as µ and ≥."""
    return "zh" if _HAN.search(text) else "en"


def _form(sample: Sample, benchmark: Benchmark) -> str:
    """Which instruction a question gets: SLAKE's by its own kind, MMMU's open ones as closed, the others' by their answer."""
    if sample.options:
        return "choice"
    if benchmark.style == "mmmu":
        return "closed"
    if benchmark.style != "slake" and sample.answer.strip().lower() in _YES_NO | _YES_NO_ZH:
        return "yes_no"
    return "closed" if sample.task == "closed_vqa" else "open"


def _without_images(sample: Sample) -> Sample:
    options = {letter: text.replace(IMAGE_MARK, "[picture]") for letter, text in sample.options.items()}
    turns = tuple((one.replace(IMAGE_MARK, ""), other) for one, other in sample.turns)
    asked = sample.question.replace(IMAGE_MARK, "")
    # Questions on one picture stay together where it is not shown.
    group = sample.group or ",".join(sample.images)
    return replace(sample, images=(), question=asked, options=options, turns=turns, group=group)


def _shuffled(sample: Sample, number: int) -> Sample:
    """A choice with its options in another order, drawn by its id and the number. Letters keep their order."""
    letters = list(sample.options)
    order = letters[:]
    random.Random(digest([sample.id, number])).shuffle(order)
    options = {new: sample.options[old] for new, old in zip(letters, order, strict=True)}
    gold = letters[order.index(sample.answer.strip().upper())]
    return replace(sample, id=f"{sample.id}{ORDER}{number}", options=options, answer=gold)
