"""How many operations a step of training has, from those of its forward pass. A multiplication and an addition are two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lingshu_train.model.shape import PARTS, Forward, Part


def of_step(forward: Mapping[Part, Forward], trains: Sequence[Part], adapters: Sequence[Part] = ()) -> float:
    """Forward and backward of all parts: what the model needs, whatever is computed twice to save memory.

    Backward, a part passes gradients on to its inputs where it or a part before it trains (as many operations as forward in
    its linear layers, twice as many in attention, which has two inputs of its own), and to its weights where it trains
    without an adapter (as many again). An adapter's own weights are not counted: they are below 2 % of a layer's at rank 64 of
    a width of 3,584.
    """
    total = 0.0
    for place, part in enumerate(PARTS):
        if part not in forward:
            continue
        weights, attention, given = forward[part]
        total += weights + attention + given
        if any(one in trains for one in PARTS[: place + 1]):
            total += weights + 2 * attention
        if part in trains and part not in adapters:
            total += weights + given
    return total
