"""An online curriculum: a window asks those of its candidates whose kind the policy gets right about half of the time.

What a window chooses among is its own part of the order, and what it knows are the answers of windows before the last one, as
passes.jsonl has them, a ledger that each checkpoint carries. So a resume and a replay choose as the first run did. The loader
may read a window's prompts while the one before is answered, which is why that one does not count yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from lingshu_train import dist
from lingshu_train.record import Sample
from lingshu_train.rewards._compose import Total
from lingshu_train.runs import ledger
from lingshu_train.runs.ledger import PASSES, Ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.grpo.asking import Curriculum
from lingshu_train.stages.grpo.config import Config

GONE = ""
"""The kind of a withdrawn row, which is asked last."""
Counts = dict[str, list[int]]
"""Of each kind: answers that were right, and answers."""


class Choosing:
    """Every rank has one, and all come to the same. `kind(place)` is that of the prompt at a place in the order."""

    def __init__(self, stage: Stage, config: Config, block: Curriculum) -> None:
        self._block, self._window, self._stride = block, config.window, config.window_prompts
        self._passes = Ledger(stage.path, PASSES)
        self._known: dict[int, Counts] = {}
        for line in ledger.steps(stage.path, name=PASSES, tolerate_torn_end=True):
            self._add(line["step"], line["kinds"])
        self._kind: Callable[[int], str] = lambda _: GONE
        self._order = lru_cache(maxsize=4)(self._chosen)

    def over(self, sample: Callable[[int], Sample | None]) -> None:
        """`sample(place)` is the prompt at a place in the order; None: it is withdrawn."""

        def kind(place: int) -> str:
            found = sample(place)
            return GONE if found is None else self.kind_of(found)

        self._kind = kind

    def place(self, place: int) -> int:
        """What is asked where the order alone would ask the prompt at `place`."""
        window, number = divmod(place, self._stride)
        return window * self._stride + self._order(window)[number]

    def note(self, step: int, samples: Sequence[Sample], totals: Sequence[Total]) -> None:
        """Take in what came of a window, from all ranks."""
        kinds: Counts = {}
        here = [
            (self.kind_of(sample), (total.scores[self._block.term].value or 0.0) >= 1.0)
            for sample, total in zip(samples, totals, strict=True)
        ]
        for kind, right in (one for part in dist.gather(here) for one in part):
            count = kinds.setdefault(kind, [0, 0])
            count[0] += right
            count[1] += 1
        self._add(step, kinds)
        if dist.place().first:
            self._passes.append(step, {"kinds": dict(sorted(kinds.items()))})

    def kind_of(self, sample: Sample) -> str:
        return " ".join(str(getattr(sample, field)) for field in self._block.by)

    def _add(self, step: int, kinds: Mapping[str, Sequence[int]]) -> None:
        known = self._known.setdefault((step - 1) // self._window, {})
        for kind, (right, asked) in kinds.items():
            count = known.setdefault(kind, [0, 0])
            count[0] += right
            count[1] += asked

    def _chosen(self, window: int) -> list[int]:
        """The window's candidates, by number, those first that teach most; of equals the first in the order."""
        seen = range(window - 1 - self._block.memory, window - 1)
        sums: Counts = {}
        for kinds in (self._known[one] for one in seen if one in self._known):
            for kind, (right, asked) in kinds.items():
                count = sums.setdefault(kind, [0, 0])
                count[0] += right
                count[1] += asked
        first = window * self._stride
        worth = [self._worth(sums, self._kind(first + n)) for n in range(self._stride)]
        return sorted(range(self._stride), key=lambda n: -worth[n])

    def _worth(self, sums: Counts, kind: str) -> float:
        """The variance of a reward of 0 or 1 at the kind's pass rate, taken for a half where nobody has asked."""
        right, asked = sums.get(kind, (0, 0))
        rate = (right + 1) / (asked + 2)
        return -1.0 if kind == GONE else rate * (1 - rate)
