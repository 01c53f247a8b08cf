"""One call from an engine and samples to judged answers, divided among the ranks where there are several."""

from __future__ import annotations

from collections.abc import Sequence

from lingshu_train import dist
from lingshu_train.bars import over
from lingshu_train.data import chat
from lingshu_train.evaluation.asking import Asking, Gallery, judgeable, prompts
from lingshu_train.metrics import accuracy
from lingshu_train.record import Completion, Judged, Sample
from lingshu_train.rollouts import Engine
from lingshu_train.verify import verify


def evaluate(
    engine: Engine, samples: Sequence[Sample], gallery: Gallery, asking: Asking
) -> tuple[Judged, ...]:
    """Every sample that a rule can judge, answered once and judged; in their order, on every rank.

    Each rank asks its own engine its share. `gallery` opens pictures by the names in `Sample.images`.
    """
    assert asking.sampling.n == 1, "one answer a question: intervals count questions"
    asked, here = judgeable(samples), dist.place()
    mine = asked[here.rank :: here.world_size]
    answers = over(
        engine.answer(prompts(mine, gallery, asking), asking.sampling),
        title=asking.title,
        unit="answer",
        total=len(mine),
        shown=here.first and bool(asking.title),
    )
    found = judged(mine, list(answers), asking)
    parts = dist.gather(found)
    return tuple(parts[n % here.world_size][n // here.world_size] for n in range(len(asked)))


def judged(samples: Sequence[Sample], completions: Sequence[Completion], asking: Asking) -> list[Judged]:
    """Of samples with an answer to each, those that a rule can judge."""
    return [
        Judged(
            sample=sample,
            prompt=completion.prompt
            or chat.transcript(chat.prompt(sample, system=asking.system, images=True)),
            completion=completion,
            verdict=verify(completion.text, sample, asking.policy),
        )
        for sample, completion in zip(samples, completions, strict=True)
        if accuracy.applies(sample)
    ]
