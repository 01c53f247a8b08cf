"""The block `audit` of a recipe: which accepted answers are looked at again, by whom, and what follows. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, JsonValue

from lingshu_train.auditing import sequence
from lingshu_train.auditing.auditor import Auditor, auditor
from lingshu_train.auditing.sequence import Window
from lingshu_train.errors import RecipeError
from lingshu_train.rewards import _compose as rewards
from lingshu_train.schema import Name, Strict, parse


class Audit(Strict):
    """A share of the accepted answers is looked at a second time, so that the rate of false ones has a bound."""

    by: Name = "rules"
    """Who looks: a file of `auditing/auditors/`. `rules`, `judge` (a language model), or `person` (`lingshu audit`)."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """The auditor's own keys."""
    term: Name = "accuracy"
    """The reward that accepts: an answer is accepted where its value is 1 or more."""
    share: float = Field(default=0.1, gt=0, le=1)
    """Part of the accepted answers that is audited, drawn by a key of the run's seed, prompt, sample and step."""
    most: int = Field(default=64, gt=0)
    """Most audits of a window."""
    limit: float = Field(gt=0, lt=1)
    """Rate of false ones among accepted answers that is not to be passed."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Of each of the two bounds, at all times of the stage at once."""
    bound: Literal["upper", "lower"] = "upper"
    """What has to stay within the limit. `upper`: the rate is shown to be within it, once there are `least` audits. `lower`: it
    is not refuted yet. The lower bound counts in either case, from the first window."""
    least: int | None = Field(default=None, gt=0)
    """Audits before the upper bound counts; none takes as many as show a reward to be within the limit that is false half as
    often."""
    fallback: rewards.Composition | None = None
    """The reward that takes over where the limit is passed, from that window on; it is audited in its place. None stops the
    stage (exit code 65)."""

    @property
    def first(self) -> int:
        """Audits before the upper bound counts."""
        return self.least or sequence.least(self.limit, self.confidence, rate=self.limit / 2)

    def opened(self, where: str) -> tuple[Auditor[Strict], Strict]:
        """The auditor and its keys. RecipeError."""
        file = auditor(self.by, where=f"{where}.by")
        return file, parse(file.Params, self.params, where=f"{where}.params", error=RecipeError)

    def check(self, where: str, composition: rewards.Composition) -> None:
        """RecipeError names the key."""
        file, params = self.opened(where)
        if hasattr(file, "try_out"):
            file.try_out(params, f"{where}.params")
        for key, one in (("rewards", composition), ("fallback", self.fallback)):
            if one is None:
                continue
            if self.term not in (known := [term.name for term in one.terms]):
                raise RecipeError(
                    f"{where}.term: {self.term!r} is not among the terms of {key}: {', '.join(known)}"
                )
        if self.fallback is None:
            return
        rewards.check(self.fallback, where=f"{where}.fallback")
        if file.LATER:
            raise RecipeError(
                f"{where}.fallback: would follow the hour at which a {self.by} judges, so that no run could be repeated; "
                "leave it out, and the stage stops"
            )

    def passed(self, windows: Sequence[Window]) -> str:
        """What says that the limit is passed; empty while nothing does."""
        judged, false = sum(one.judged for one in windows), sum(one.false for one in windows)
        counted = f"{false:.0f} of {judged:,} audited answers that {self.term} accepted were false"
        low = sequence.lower(windows, self.confidence)
        if low > self.limit:
            return (
                f"{counted}; with confidence {self.confidence:g} the rate of some window is above {low:.3f}, and the limit is "
                f"{self.limit:g}"
            )
        if self.bound == "upper" and judged >= self.first:
            high = sequence.upper(windows, self.confidence)
            if high > self.limit:
                return (
                    f"{counted}; with confidence {self.confidence:g} that shows a rate of at most {high:.3f}, and the limit is "
                    f"{self.limit:g}"
                )
        return ""
