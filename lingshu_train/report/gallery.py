"""Sample questions with their image and what the model answered, before and after the last training stage."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PIL import Image

from lingshu_train.report.gather import RunView
from lingshu_train.report.markup import Markup, element, join, text
from lingshu_train.runs.results import Prediction, Rollout

PER_OUTCOME = 4
LARGEST_SIDE = 320
LONGEST_TEXT = 600
IMAGE_TOKENS = re.compile(r"(<[^<>\s]+>)\1+")
"""The same mark over and over, as every family writes the tokens of a picture."""


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


def samples(view: RunView) -> Markup:
    """Some of each outcome, with the counts of all: nothing is chosen by hand, and failures are shown too."""
    pairs = held_out(view)
    if not pairs:
        return Markup("")
    outcomes = dict.fromkeys(
        ("now right", "no longer right", "right both times", "wrong both times", "right", "wrong")
    )
    blocks = []
    for outcome in outcomes:
        group = [pair for pair in pairs if pair.outcome == outcome]
        if group:
            title = element("h3", text(f"{outcome.capitalize()} ({len(group)} of {len(pairs)})"))
            cards = join(_card(view, pair) for pair in spread(group, PER_OUTCOME))
            blocks.append(join([title, element("div", cards, css="gallery")]))
    names = view.models[-2:]
    said = f"{names[0]} beside {names[1]}" if len(names) == 2 else names[0]
    note = (
        f"Held-out questions, {said}. Up to {PER_OUTCOME} of each outcome, the tasks "
        "taking turns, in the order of the sha256 of their ids."
    )
    return join([element("p", text(note), css="quiet"), *blocks])


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


def rollouts(view: RunView) -> Markup:
    """What GRPO saw and how it was rewarded, at up to four steps from the first to the last."""
    blocks = []
    for name, lines in view.rollouts.items():
        steps = sorted({line.step for line in lines})
        if steps:
            chosen = dict.fromkeys(steps[(len(steps) - 1) * part // 3] for part in range(4))
            columns = join(
                _step(view, step, [line for line in lines if line.step == step]) for step in chosen
            )
            blocks.append(
                join([element("h3", text(f"Rollouts of {name}")), element("div", columns, css="gallery")])
            )
        unusual = [line for line in lines if line.why != "random"][-PER_OUTCOME:]
        if unusual:
            title = element("h3", text(f"Latest answers of {name} that an unusual rule accepted"))
            columns = join(_step(view, line.step, [line]) for line in unusual)
            blocks.append(join([title, element("div", columns, css="gallery")]))
    return join(blocks)


def picture(data: bytes | None, *, alt: str) -> Markup:
    """An image as a data address, at most 320 pixels a side; a frame that says so where it is gone."""
    if data is None:
        return element("div", text("image not kept"), css="noimage")
    with Image.open(io.BytesIO(data)) as image:
        kind = str(image.format).lower()
        if max(image.size) > LARGEST_SIDE:
            image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
            small = io.BytesIO()
            image.convert("RGB").save(small, "JPEG", quality=88)
            data, kind = small.getvalue(), "jpeg"
    code = base64.b64encode(data).decode()
    return Markup(f'<img src="data:image/{kind};base64,{code}" alt="{text(alt)}">')


def _card(view: RunView, pair: Pair) -> Markup:
    asked = pair.after
    about = " · ".join(part.replace("_", " ") for part in (asked.task, asked.modality, asked.card) if part)
    options = join(element("li", text(f"{letter}. {option}")) for letter, option in asked.options.items())
    models = view.models[-2:] if pair.before else view.models[-1:]
    answers = [each for each in (pair.before, pair.after) if each]
    said = join(_answer(name, line) for name, line in zip(models, answers, strict=True))
    parts = [
        element("p", text(about), css="about"),
        element("p", text(asked.question), css="question"),
        element("ul", options, css="options") if options else Markup(""),
        element("p", join([text("right answer: "), element("b", text(asked.answer))])),
        _prompt(asked),
    ]
    alt = f"{asked.modality} image of sample {asked.id}"
    return _framed(view, asked.image, alt=alt, beside=join(parts), below=element("div", said, css="answers"))


def _framed(view: RunView, image: str | None, *, alt: str, beside: Markup, below: Markup) -> Markup:
    """A card: the image to the left of `beside`, `below` under both."""
    shown = picture(view.image(image), alt=alt) if image else Markup("")
    css = "sample" if shown else "sample plain"
    return element("article", join([shown, element("div", beside), below]), css=css)


def _answer(name: str, line: Prediction) -> Markup:
    verdict = "✓ right" if line.correct else f"✗ {line.status or 'wrong'}"
    badge = element("span", text(verdict), css="right" if line.correct else "wrong")
    taken = f"taken as: {line.extracted}" if line.extracted else "no answer could be read"
    rule = f" (rule {line.rule})" if line.rule else ""
    return element(
        "div",
        join(
            [
                element("p", join([element("b", text(name)), text(" "), badge])),
                element("pre", text(_cut(line.completion))),
                element("p", text(taken + rule), css="quiet"),
            ]
        ),
    )


def _prompt(line: Prediction) -> Markup:
    if not line.prompt:
        return Markup("")
    return Markup(
        f"<details><summary>prompt</summary><pre>{text(_cut(_counted(line.prompt)))}</pre></details>"
    )


def _step(view: RunView, step: int, lines: Iterable[Rollout]) -> Markup:
    shown = sorted(lines, key=lambda line: (line.why != "random", line.id, line.completion))[:4]
    first = shown[0]
    asked = [
        element("p", text(f"step {step:,}"), css="about"),
        element("p", text(first.question), css="question"),
        element("p", join([text("right answer: "), element("b", text(first.answer))])),
    ]
    said = join(_rewarded(line) for line in shown if line.id == first.id)
    alt = f"image of sample {first.id}"
    return _framed(view, first.image, alt=alt, beside=join(asked), below=element("div", said, css="answers"))


def _rewarded(line: Rollout) -> Markup:
    earned = "unscored" if line.reward is None else f"reward {line.reward:.3g}"
    badge = element("span", text(line.status), css="right" if line.status == "right" else "wrong")
    rule = text("" if line.why == "random" else f" (rule {line.why})")
    return element(
        "div",
        join(
            [
                element("p", join([text(earned + " "), badge, rule])),
                element("pre", text(_cut(line.completion))),
            ]
        ),
    )


def _counted(prompt: str) -> str:
    """The prompt with every run of image tokens as one token and its length."""
    return IMAGE_TOKENS.sub(lambda run: f"{run[1]} × {len(run[0]) // len(run[1])}", prompt)


def _cut(words: str) -> str:
    return words if len(words) <= LONGEST_TEXT else words[:LONGEST_TEXT] + f" … ({len(words)} characters)"
