"""Questions to an engine and answers into a journal, a window at a time, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

from lingshu_train.bars import bar
from lingshu_train.evaluation.asking import Asking, Gallery, prompts
from lingshu_train.evaluation.benchmarks.journal import Journal
from lingshu_train.naming import digest
from lingshu_train.record import Completion, Sample
from lingshu_train.rollouts import Engine

WINDOW = 1024
"""Questions that an engine is given at once, about."""


def key(sample: Sample, asking: Asking) -> str:
    """Names a question by all that its answer hangs on but the model, whose folder it is kept in."""
    drawn_with = asking.sampling
    parts = [
        sample.id,
        sample.question,
        sorted(sample.options.items()),
        sample.images,
        sample.turns,
        sample.system,
    ]
    return digest(
        [
            parts,
            asking.system,
            drawn_with.max_tokens,
            drawn_with.temperature,
            drawn_with.top_p,
            drawn_with.seed,
        ]
    )


def unanswered(samples: Iterable[Sample], journal: Journal, asking: Asking) -> list[int]:
    """Places of the questions that the journal has no answer to."""
    return [place for place, one in enumerate(samples) if key(one, asking) not in journal]


def ask(
    samples: Sequence[Sample],
    left: Sequence[int],
    journal: Journal,
    engine: Engine,
    asking: Asking,
    *,
    gallery: Gallery,
) -> None:
    """Ask the questions at the places `left`, and keep every answer.

    What the engine makes at once (`asking.together`) is kept at once, and windows begin at multiples of it: a run that goes on
    after a kill then asks in the same slices as one that was not killed, and has the same bits.
    """
    together = asking.together
    window = max(1, WINDOW // together) * together
    with bar(title=asking.title, unit="answer", total=len(left), shown=bool(asking.title)) as progress:
        for places in _windows(left, window):
            asked = [samples[place] for place in places]
            answers = engine.answer(prompts(asked, gallery, asking), asking.sampling)
            keyed = zip((key(one, asking) for one in asked), answers, strict=True)
            for several in _slices(keyed, together):
                journal.extend(several)
                progress.update(len(several))


def _windows(left: Sequence[int], window: int) -> Iterator[list[int]]:
    """The places by the window that they stand in."""
    for _, places in groupby(left, key=lambda place: place // window):
        yield list(places)


def _slices(keyed: Iterator[tuple[str, Completion]], size: int) -> Iterator[list[tuple[str, Completion]]]:
    while several := list(islice(keyed, size)):
        yield several
