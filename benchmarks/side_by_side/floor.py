"""What a step's matrix products and attention take alone: the floor under whatever computes the same step on one thread."""

from __future__ import annotations

import collections
import statistics
import time
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "_scaled_dot_product", "convolution")
"""Operators that count, by the start of their names."""
LEAST_S = 0.05
"""Seconds that one shape is repeated for, at least three times."""


class Floor(TorchDispatchMode):
    """Counts each product by its operator and the shapes and strides it was given. `seconds` then runs each alone."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: collections.Counter[Any] = collections.Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.name().removeprefix("aten::")
        if name.startswith(PRODUCTS):
            self._counts[(function, _shaped(args), _shaped(tuple(sorted((kwargs or {}).items()))))] += 1
        return function(*args, **(kwargs or {}))

    def seconds(self) -> float:
        """Processor seconds of all that was counted: the median of each shape's repetitions, times its count."""
        return sum(count * _alone(*key) for key, count in self._counts.items())


def _shaped(value: Any) -> Any:
    """The same nest with a tensor's shape, strides and type where it was; it can be a key."""
    if isinstance(value, torch.Tensor):
        return ("tensor", tuple(value.shape), tuple(value.stride()), value.dtype)
    if isinstance(value, (list, tuple)):
        return ("nest", *(_shaped(one) for one in value))
    return value


def _made(value: Any) -> Any:
    if isinstance(value, tuple) and value and value[0] == "tensor":
        made = torch.empty_strided(value[1], value[2], dtype=value[3])
        return made.normal_() if made.is_floating_point() else made.zero_()
    if isinstance(value, tuple) and value and value[0] == "nest":
        return [_made(one) for one in value[1:]]
    return value


def _alone(function: Any, args: Any, kwargs: Any) -> float:
    given, named = _made(args), dict(_made(kwargs))
    taken: list[float] = []
    with torch.no_grad():
        function(*given, **named)
        while len(taken) < 3 or sum(taken) < LEAST_S:
            began = time.process_time()
            function(*given, **named)
            taken.append(time.process_time() - began)
    return statistics.median(taken)
