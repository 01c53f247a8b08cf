"""Sample questions with their image and what the model answered, before and after the last training stage."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from lingshu_train.report.closed import Answers
from lingshu_train.report.gather import RunView
from lingshu_train.report.thinking import Flags, disagreement
from lingshu_train.runs.results import Prediction, Rollout

PER_OUTCOME = 4
LARGEST_SIDE = 320
KINDS = ("png", "jpeg")
"""What a corpus stores, and what is shown as it is stored."""
LONGEST_TEXT = 1_500
IMAGE_TOKENS = re.compile(r"(<[^<>\s]+>)\1+")
"""The same mark over and over, as every family writes the tokens of a picture."""
OUTCOMES = ("now right", "no longer right", "right both times", "wrong both times", "right", "wrong")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model said and how it was judged: by name, or with what it `earned` while it trained.

    `note` stands behind the verdict, `taken` below the text; `flag` says where the thinking names another answer.
    """

    verdict: str
    right: bool
    completion: str
    model: str = ""
    earned: str = ""
    note: str = ""
    taken: str = ""
    flag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """`source` is a data address, empty where the picture is gone."""

    source: str
    alt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A question with its picture, its right answer and what was answered."""

    about: str
    question: str
    answer: str
    picture: Picture | None
    answers: tuple[Answer, ...]
    options: tuple[tuple[str, str], ...] = ()
    prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Cards under one heading."""

    title: str
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One held-out question, answered before and after. `before` is None where there is only one model."""

    before: Prediction | None
    after: Prediction

    @property
    def outcome(self) -> str:
        if self.before is None:
            return "right" if self.after.correct else "wrong"
        return {
            (False, True): "now right",
            (True, False): "no longer right",
            (True, True): "right both times",
            (False, False): "wrong both times",
        }[self.before.correct, self.after.correct]


def samples(view: RunView, flags: Flags) -> list[Group]:
    """Some of each outcome, with the counts of all: nothing is chosen by hand, and failures are shown too."""
    pairs, known = held_out(view), flags.known
    found = []
    for outcome in OUTCOMES:
        group = [pair for pair in pairs if pair.outcome == outcome]
        if group:
            title = f"{outcome.capitalize()} ({len(group)} of {len(pairs)})"
            cards = tuple(_held_out_card(view, pair, known) for pair in spread(group, PER_OUTCOME))
            found.append(Group(title=title, cards=cards))
    return found


def held_out(view: RunView) -> list[Pair]:
    """Questions that the last evaluated model answered, each with the answer of the model before it."""
    if not view.models:
        return []
    earlier: dict[str, Prediction] = {}
    if len(view.models) > 1:
        earlier = {line.id: line for line in view.predictions.get(view.models[-2], ())}
    later = view.predictions.get(view.models[-1], ())
    if not earlier:
        return [Pair(before=None, after=line) for line in later]
    return [Pair(before=earlier[line.id], after=line) for line in later if line.id in earlier]


def spread(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """`count` pairs, the tasks taking turns, in an order that depends on the ids alone."""
    order = sorted(pairs, key=lambda pair: hashlib.sha256(pair.after.id.encode()).hexdigest())
    turns: dict[str, int] = {}
    ranked = []
    for pair in order:
        turn = turns[pair.after.task] = turns.get(pair.after.task, -1) + 1
        ranked.append((turn, pair))
    return [pair for _, pair in sorted(ranked, key=lambda item: item[0])][:count]


def rollouts(view: RunView, flags: Flags) -> list[Group]:
    """What reinforcement learning saw and how it was rewarded, at up to four steps from the first to the last; then what
    an unusual rule accepted."""
    found, known = [], flags.known
    for name, lines in view.rollouts.items():
        weights = _weights(view, name)
        steps = sorted({line.step for line in lines})
        if steps:
            chosen = dict.fromkeys(steps[(len(steps) - 1) * part // 3] for part in range(4))
            cards = tuple(
                _rollout_card(view, [line for line in lines if line.step == step], known, weights)
                for step in chosen
            )
            found.append(Group(title=f"Rollouts of {name}", cards=cards))
        unusual = [line for line in lines if line.why != "random"][-PER_OUTCOME:]
        if unusual:
            title = f"Latest answers of {name} that an unusual rule accepted"
            cards = tuple(_rollout_card(view, [line], known, weights) for line in unusual)
            found.append(Group(title=title, cards=cards))
    return found


def data_address(data: bytes) -> str:
    """An image as an address that holds it, at most 320 pixels a side."""
    found, kind = shown(data)
    return f"data:image/{kind};base64,{base64.b64encode(found).decode()}"


def shown(data: bytes) -> tuple[bytes, str]:
    """An image file as it is shown, at most 320 pixels a side, and its kind."""
    with Image.open(io.BytesIO(data)) as image:
        kind = str(image.format).lower()
        if kind in KINDS and max(image.size) <= LARGEST_SIDE:
            return data, kind
        image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
        small = io.BytesIO()
        image.convert("RGB").save(small, "JPEG", quality=88)
    return small.getvalue(), "jpeg"


def _held_out_card(view: RunView, pair: Pair, known: Mapping[str, Answers]) -> Card:
    asked = pair.after
    models = view.models[-2:] if pair.before else view.models[-1:]
    answers = [each for each in (pair.before, pair.after) if each]
    return Card(
        about=" · ".join(part.replace("_", " ") for part in (asked.task, asked.modality, asked.card) if part),
        question=asked.question,
        options=tuple(asked.options.items()),
        answer=asked.answer,
        prompt=prompt(asked),
        picture=_picture(view, asked.image, alt=f"{asked.modality} image of sample {asked.id}"),
        answers=tuple(
            _judged(name, line, _flag(line, known)) for name, line in zip(models, answers, strict=True)
        ),
    )


def _rollout_card(
    view: RunView, lines: Iterable[Rollout], known: Mapping[str, Answers], weights: Mapping[str, float]
) -> Card:
    shown = sorted(lines, key=lambda line: (line.why != "random", line.id, line.completion))[:4]
    first = shown[0]
    return Card(
        about=" · ".join(
            part.replace("_", " ") for part in (f"step {first.step:,}", first.task, first.card) if part
        ),
        question=first.question,
        options=tuple(first.options.items()),
        answer=first.answer,
        prompt=prompt(first),
        picture=_picture(view, first.image, alt=f"image of sample {first.id}"),
        answers=tuple(_rewarded(line, _flag(line, known), weights) for line in shown if line.id == first.id),
    )


def _weights(view: RunView, name: str) -> Mapping[str, float]:
    """Weight of each term of a stage's reward; empty where its record does not say."""
    stage = next((each.stage for each in view.stages if each.name == name), None)
    given = stage.config.get("rewards") if stage else None
    terms = given.get("terms") if isinstance(given, dict) else None
    found = {}
    for term in terms if isinstance(terms, list) else []:
        weight = term.get("weight", 1.0) if isinstance(term, dict) else None
        if isinstance(term, dict) and isinstance(weight, int | float):
            found[str(term.get("name"))] = float(weight)
    return found


def _flag(line: Prediction | Rollout, known: Mapping[str, Answers]) -> str:
    named = disagreement(line, known)
    return f"thinking names {named}" if named else ""


def _picture(view: RunView, digest: str | None, *, alt: str) -> Picture | None:
    if not digest:
        return None
    data = view.image(digest)
    return Picture(source=data_address(data) if data else "", alt=alt)


def _judged(name: str, line: Prediction, flag: str) -> Answer:
    taken = f"taken as: {line.extracted}" if line.extracted else "no answer could be read"
    return Answer(
        model=name,
        verdict="✓ right" if line.correct else f"✗ {line.status or 'wrong'}",
        right=line.correct,
        completion=_cut(line.completion),
        taken=taken + (f" (rule {line.rule})" if line.rule else ""),
        flag=flag,
    )


def _rewarded(line: Rollout, flag: str, weights: Mapping[str, float]) -> Answer:
    return Answer(
        earned="unscored" if line.reward is None else f"reward {line.reward:.3g}",
        verdict=line.status,
        right=line.status == "right",
        completion=_cut(line.completion),
        note="" if line.why == "random" else f"(rule {line.why})",
        taken=", ".join(_term(name, value, weights.get(name)) for name, value in line.terms.items()),
        flag=flag,
    )


def _term(name: str, value: float | None, weight: float | None) -> str:
    if value is None:
        return f"{name} unscored"
    return f"{name} {value:.3g}" + ("" if weight is None else f" × {weight:g}")


def prompt(line: Prediction | Rollout) -> str:
    """The text that the model was given; empty where no more than the question is known of it."""
    bare = "\n".join([line.question, *(f"{letter}. {text}" for letter, text in line.options.items())])
    return "" if line.prompt in ("", bare) else _cut(_counted(line.prompt))


def _counted(prompt: str) -> str:
    """The prompt with every run of image tokens as one token and its length."""
    return IMAGE_TOKENS.sub(lambda run: f"{run[1]} × {len(run[0]) // len(run[1])}", prompt)


def _cut(words: str) -> str:
    return words if len(words) <= LONGEST_TEXT else words[:LONGEST_TEXT] + f" … ({len(words)} characters)"
