"""What a part of a comparison is that any process may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from lingshu_train.curate._rows import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """`jobs` says how many there are, `make` does one: both know the rows, the parameters, and what earlier phases have left
    (`Rows.made`). A phase that only goes `ahead` of what `decide` would do itself is done where tasks do it, and else left out.
    """

    name: str
    jobs: Callable[[Rows, Any], int]
    make: Callable[[Rows, Any, int], npt.NDArray[Any]]
    ahead: bool = False
