"""A pass of a deep model from passes of shallow ones: what layers of a kind take is linear in their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lingshu_train.model.shape import Depth, Shape
from lingshu_train.simulation import passing
from lingshu_train.simulation.load import Load
from lingshu_train.simulation.passed import PHASES, Passed, Phase, Setting

_FEW: dict[Depth, int] = {"text": 2, "vision": 2, "vision_beside": 1}
"""Layers of the shallow model. Two, since the first of a kind may differ: nothing before it may need a gradient."""
_TEXT_BESIDE = 4
"""Layers of the text where features of the tower are added in its first ones: so many that the last, which adds nothing, holds
most, as it does in a deep model. With two the forward peak was 7 % off where layers are recomputed."""


def measure(setting: Setting, load: Load, shape: Shape, *, whole: bool = False) -> Passed:
    """A pass at the sizes of `shape`: of its shallow relatives where its family has such, extrapolated, unless `whole`."""
    depths = shape.depths()
    few = {kind: min(number, _FEW[kind]) for kind, number in depths.items()}
    if few.get("vision_beside"):
        few["text"] = min(depths["text"], _TEXT_BESIDE)
    tracer = passing.Tracer(setting, load)
    if whole or few == dict(depths):
        return tracer.measure(shape)

    def at(**more: int) -> Passed:
        taken = {kind: number + more.get(kind, 0) for kind, number in few.items()}
        return tracer.measure(shape.with_depths(taken))

    base = at()
    both = [kind for kind in ("text", "vision") if depths[kind] > few[kind]]
    deeper = at(**dict.fromkeys(both, 1))
    beside = at(vision_beside=1) if depths["vision_beside"] > few["vision_beside"] else base
    more = {kind: depths[kind] - few[kind] for kind in few}
    return _extrapolated(base, deeper, beside, more)


def _extrapolated(base: Passed, deeper: Passed, beside: Passed, more: Mapping[Depth, int]) -> Passed:
    def grown(of: Callable[[Passed], Mapping[str, float]]) -> dict[str, float]:
        first, second, third = of(base), of(deeper), of(beside)
        found = {}
        for key in {*first, *second, *third}:
            start = first.get(key, 0.0)
            # Every key names who it is of; head and rest are alike in all of them.
            times = more["vision"] if "vision" in key else more["text"]
            slope, other = second.get(key, 0.0) - start, third.get(key, 0.0) - start
            found[key] = max(0.0, start + times * slope + more["vision_beside"] * other)
        return found

    def peaks(phase: Phase) -> dict[str, float]:
        return grown(lambda passed: passed.peaks[phase])

    def with_gradients(phase: Phase) -> dict[str, float]:
        return grown(lambda passed: passed.with_gradients[phase])

    return Passed(
        peaks={phase: peaks(phase) for phase in PHASES},
        with_gradients={phase: with_gradients(phase) for phase in PHASES},
        saved=grown(lambda passed: passed.saved),
        flops=grown(lambda passed: passed.flops),
        pixel_bytes=base.pixel_bytes,
    )
