"""Alarms on what a policy does when it pleases its reward otherwise: longer, repeating, cut off, one answer for all.

Each is a share of a window, from 0 to 1. Its mean over the first windows is what it was; the alarm is the lower bound of
sequence.py above that by more than the rise that a recipe allows. Beside them each rule that accepts answers has a share. All
together give a false one in a stage with at most 1 - confidence, where no mean is above it. A function of the ledger alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from lingshu_train.auditing import sequence
from lingshu_train.auditing.sequence import Window
from lingshu_train.schema import Strict

STREAMS: Mapping[str, str] = {
    "length": "tokens of a completion, as a share of max_completion",
    "repeats": "share of completions that repeat themselves",
    "truncated": "share of completions that ran into max_completion",
    "unformatted": "share of completions that the reward `format` refuses",
    "unusual_rules": "share of accepted answers that an unusual rule accepted",
    "top_answer": "share of the commonest answer of a question type",
}
RULE = "rule/"
"""Begins the share of each rule of the verifier among the accepted answers of a window."""


class Alarms(Strict):
    """What may rise by how much. Training goes on; the line stands in the ledger, the manifest and the report."""

    rise: float = Field(default=0.2, gt=0, lt=1)
    """How far a share may rise above its mean over the first windows."""
    reference: int = Field(default=8, gt=1)
    """How many windows are the first."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """That a stage in which nothing rose by more has no alarm at all."""

    def told(self, shares: Sequence[Mapping[str, float]]) -> dict[str, str]:
        """A sentence for each share that has risen by more, from those of all windows so far."""
        # The rules have one stream's part, of which the k-th that appears has 1 / (k (k + 1)): nobody knows how many come.
        error = (1 - self.confidence) / (len(STREAMS) + 1)
        found = {
            name: self._told(what, [one[name] for one in shares if name in one], 1 - error)
            for name, what in STREAMS.items()
        }
        accepting = [one for one in shares if any(name.startswith(RULE) for name in one)]
        rules = dict.fromkeys(name for one in accepting for name in sorted(one) if name.startswith(RULE))
        for place, name in enumerate(rules, 1):
            what = f"share of accepted answers that the rule {name.removeprefix(RULE)} accepted"
            values = [one.get(name, 0.0) for one in accepting]
            found[name] = self._told(what, values, 1 - error / (place * (place + 1)))
        return {name: line for name, line in found.items() if line}

    def _told(self, what: str, values: Sequence[float], confidence: float) -> str:
        """A sentence where one share has risen, else nothing."""
        if len(values) <= self.reference:
            return ""
        first = sum(values[: self.reference]) / self.reference
        low = sequence.lower([Window(1, value) for value in values[self.reference :]], confidence)
        if low <= first + self.rise:
            return ""
        return (
            f"{what} was {first:.2f} in the first {self.reference} windows and is {values[-1]:.2f} now (above {low:.2f} in "
            f"some window, confidence {confidence:.3f}): read the completions that are kept"
        )
