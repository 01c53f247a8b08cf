"""Questions about pictures by self-instruct: from a picture and its caption the teacher writes a question of several choices.

The paper's rule stands: where picture and caption disagree there is none. Beyond it a second pass that has not seen the caption
must choose the right option with the picture, and must not without it, each with the options in an order of its own. Where the
right answer comes to stand is drawn from the row's id.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from pydantic import Field

from lingshu_train.record import Sample
from lingshu_train.schema import Strict
from lingshu_train.synthesize import _page, _phrases, _prompts, _traces
from lingshu_train.synthesize._desk import Desk, Form
from lingshu_train.synthesize._request import Ask
from lingshu_train.synthesize._row import Made, Row, changed
from lingshu_train.synthesize._traces import Action, Conclusion

TASK = "vqa"
UNIT = "row"
PROMPTS = _prompts.read("vqa_instruct")
SEEDS = (
    "Which imaging plane is shown? Right: axial. Wrong: coronal; sagittal.",
    "Where does the lesion lie? Right: right upper lobe. Wrong: left upper lobe; right lower lobe; left lower lobe.",
    "Which organ is enlarged? Right: spleen. Wrong: liver; left kidney.",
    "Which sign of the joint is visible? Right: narrowed joint space. Wrong: fracture line; loose body.",
    "Which structure has raised signal? Right: periventricular white matter. Wrong: thalamus; cerebellum.",
    "Which stain is used? Right: haematoxylin and eosin. Wrong: silver stain; Congo red.",
)
"""Questions of ours that show the form; two of them are shown, drawn from the row's id."""


class Params(Strict):
    """Which checks."""

    solved: Action = "drop"
    """What becomes of a question that is not answered rightly with the picture by whoever has no caption."""
    guessed: Action = "drop"
    """What becomes of one that is answered rightly without the picture, in every order of options that was tried."""
    guesses: int = Field(default=2, gt=0)
    """Orders of options that are tried without the picture."""
    least_words: int = Field(default=5, ge=0)
    """Fewest words of a caption that is used."""
    max_tokens: int = Field(default=512, gt=0)
    """Most tokens of a reply."""


class Question(Form):
    mismatch: bool
    question: str
    answer: str
    wrong: tuple[str, ...]


def takes(sample: Sample, params: Params) -> bool:
    """Captions: a picture with a text that no rule can judge."""
    caption = sample.question_type == "free" and bool(sample.images) and not sample.turns
    return caption and len(sample.answer.split()) >= params.least_words


def make(row: Row, desk: Desk, params: Params) -> Iterator[Made]:
    """One question of a caption."""
    found = _written(row, desk, params)
    desk.check("mismatch", not found.mismatch, "the teacher says that picture and caption disagree")
    texts = [found.answer, *found.wrong]
    desk.check(
        "options",
        2 <= len({_plain(text) for text in texts}) == len(texts) <= 5,
        "options are missing or equal",
    )
    desk.check("leak", not (told := _phrases.leaks(found.question)), f"tells what it was told: {told!r}")
    inside = _plain(found.answer) in _plain(found.question)
    desk.check("giveaway", not inside, "the question holds its answer")
    _traces.noted(
        desk,
        params.solved,
        "solved",
        lambda: _right(row, desk, params, found, "seen"),
        "not answered rightly with the picture",
    )
    orders = range(params.guesses)
    _traces.noted(
        desk,
        params.guessed,
        "guessed",
        lambda: not all(_right(row, desk, params, found, each) for each in orders),
        "answered rightly without the picture",
    )
    yield Made(sample=_sample(row, found, "made"))


def _written(row: Row, desk: Desk, params: Params) -> Question:
    start = _page.number(row.sample.id, "examples")
    shown = [SEEDS[(start + step) % len(SEEDS)] for step in (0, 1 + start // len(SEEDS) % (len(SEEDS) - 1))]
    ask = Ask(
        step="ask",
        system=PROMPTS.parts["system"],
        text=PROMPTS.fill("ask", caption=row.sample.answer, examples="\n".join(shown)),
        pictures=row.pictures,
        max_tokens=params.max_tokens,
    )
    like = Question(
        mismatch=False,
        question="Which structure is shown here?",
        answer="a kidney",
        wrong=("a liver", "a spleen"),
    )
    return desk.read(Question, ask, example=like)


def _right(row: Row, desk: Desk, params: Params, found: Question, order: str | int) -> bool:
    """Whether the checker chooses the right option; in an order with a number it does not see the picture."""
    sample = _sample(row, found, order)
    pictures = row.pictures if order == "seen" else ()
    asked = Row(number=row.number, sample=sample)
    ask = Ask(
        step="solve" if pictures else "guess",
        system=PROMPTS.parts["system"],
        text=PROMPTS.fill("solve" if pictures else "guess", question=asked.question),
        pictures=pictures,
        max_tokens=params.max_tokens,
    )
    return asked.right(
        desk.read(Conclusion, ask, example=Conclusion(answer=sample.answer), checks=True).answer
    )


def _sample(row: Row, found: Question, order: str | int) -> Sample:
    """The question with its options in an order drawn from the row's id."""
    texts = [found.answer, *found.wrong]
    places = list(range(len(texts)))
    random.Random(_page.number(row.sample.id, f"order {order}")).shuffle(places)
    letters = "ABCDE"[: len(texts)]
    options = {letter: texts[place] for letter, place in zip(letters, places, strict=True)}
    return changed(
        row,
        question=found.question,
        question_type="mcq",
        options=options,
        answer=letters[places.index(0)],
        aliases=(),
        reasoning="",
        form="",
        tol=None,
    )


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()
