"""The audit of a GRPO stage: which accepted answers of a window are looked at again, the bound, and what follows from it.

All of it is a function of audits.jsonl, which a checkpoint carries: a resume and a replay come to the same.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lingshu_train import dist, naming
from lingshu_train.auditing import records, sequence
from lingshu_train.auditing.choice import Audit
from lingshu_train.auditing.records import FALLBACK, FIRST, Audited
from lingshu_train.errors import RewardRefuted
from lingshu_train.record import Completion, Sample
from lingshu_train.rewards._compose import Total
from lingshu_train.runs import ledger, results
from lingshu_train.runs.ledger import AUDITS, BY_PERSON
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.grpo.config import Config

_ALL = 1 << 48
Scored = tuple[Sample, Completion, Total]


@dataclass(frozen=True, slots=True)
class _Drawn:
    """An accepted answer of this rank, and where its key lies between 0 and 1."""

    key: str
    at: float
    place: int


class Auditing:
    """Every rank has one and calls it with its part of a window; all come to the same decision."""

    def __init__(self, stage: Stage, config: Config) -> None:
        """`config` has an `audit` block."""
        assert config.audit is not None
        self.block: Audit = config.audit
        self._title, self._folder, self._seed = stage.name, stage.path, stage.seed
        self._auditor, self._params = self.block.opened(f"stages.{stage.name}.audit")
        self._prefix = BY_PERSON if self._auditor.LATER else "audit/"
        if dist.place().first:
            (stage.path / AUDITS).touch()
        dist.barrier()
        self._known = list(records.read(stage.path))
        self.fell_back = bool(self.block.fallback and self._passed(FIRST))
        self._why: dict[str, int] = {}

    @property
    def under(self) -> str:
        """Which reward is in force."""
        return FALLBACK if self.fell_back else FIRST

    def __call__(self, step: int, scored: Sequence[Scored]) -> bool:
        """Audit a window that the reward in force has scored. True: it is no longer in force, and the fallback has to score
        the window. RewardRefuted (65): the limit is passed, and nothing takes over."""
        self._hear()
        self._audit(step, scored)
        passed = self._passed(self.under)
        if not passed:
            return False
        if self.block.fallback is None or self.fell_back:
            raise RewardRefuted(
                f"{self._title}: step {step}: {passed}; nothing of this window is learned; read {self._folder / AUDITS} "
                "and mend the reward, or raise audit.limit"
            )
        self.fell_back = True
        if dist.place().first:
            sys.stderr.write(
                f"lingshu: {self._title}: step {step}: {passed}; audit.fallback scores from here on\n"
            )
        return True

    def columns(self) -> dict[str, float]:
        """Of the last window and of all so far, for the ledger."""
        windows = records.windows(self._known, self.under)
        judged, false = sum(one.judged for one in windows), sum(one.false for one in windows)
        waits = sum(one.false is None for one in self._known)
        found = {
            "judged": float(judged),
            "false": float(false),
            "open": float(waits),
            "lower": round(sequence.lower(windows, self.block.confidence), 6),
            "upper": round(sequence.upper(windows, self.block.confidence), 6),
            **({"fell_back": 1.0} if self.fell_back else {}),
            **{f"why/{name}": float(count) for name, count in sorted(self._why.items())},
        }
        return {self._prefix + name: value for name, value in found.items()}

    def _passed(self, under: str) -> str:
        return self.block.passed(records.windows(self._known, under))

    def _hear(self) -> None:
        """What a person has said meanwhile, as the first rank reads it."""
        if self._auditor.LATER:
            said = dist.from_first(records.verdicts(self._folder) if dist.place().first else {})
            self._known = list(records.with_verdicts(self._known, said))

    def _audit(self, step: int, scored: Sequence[Scored]) -> None:
        drawn = self._drawn(step, scored)
        mine = [self._audited(step, one, scored[one.place]) for one in drawn]
        found = sorted((one for part in dist.gather(mine) for one in part), key=lambda one: one.key)
        self._why = Counter(one.why for one in found if one.false and one.why)
        self._known += found
        if dist.place().first:
            records.append(self._folder, found)

    def _audited(self, step: int, drawn: _Drawn, scored: Scored) -> Audited:
        sample, completion, _ = scored
        finding = self._auditor.audit(sample, completion, self._params)
        return Audited(
            **results.shown(sample),
            key=drawn.key,
            step=step,
            under=self.under,
            completion=completion.text,
            false=finding.false,
            why=finding.why,
        )

    def _drawn(self, step: int, scored: Sequence[Scored]) -> list[_Drawn]:
        """Those of this rank: of all ranks' accepted answers whose key lies below the share, the first so many by key."""
        everywhere = dist.gather([sample.id for sample, _, _ in scored])
        before: Counter[str] = Counter(name for part in everywhere[: dist.place().rank] for name in part)
        own = []
        for place, (sample, _, total) in enumerate(scored):
            key = naming.digest(["audit", self._seed, step, sample.id, before[sample.id]])
            before[sample.id] += 1
            score = total.scores[self.block.term]
            at = int(key[:12], 16) / _ALL
            if score.value is not None and score.value >= 1.0 and at < self.block.share:
                own.append(_Drawn(key[:16], at, place))
        chosen = sorted(one.at for part in dist.gather(own) for one in part)[: self.block.most]
        return [one for one in own if chosen and one.at <= chosen[-1]]


def warnings(stage: Stage, config: Config) -> list[str]:
    """What a reader of the report has to know of the audits: those without a verdict, and the step at which a fallback took
    over."""
    known = records.read(stage.path) if config.audit else ()
    found = []
    why = Counter(one.why for one in known if one.false is None)
    if why:
        told = ", ".join(f"{name} {count:,}" for name, count in sorted(why.items()))
        found.append(
            f"{stage.name}: {why.total():,} of {len(known):,} audited answers have no verdict and stand in no bound ({told})"
        )
    lines = [line["step"] for line in ledger.steps(stage.path) if "audit/fell_back" in line]
    if lines:
        found.append(
            f"{stage.name}: step {lines[0]}: audit.limit was passed; audit.fallback scored from there on"
        )
    return found
