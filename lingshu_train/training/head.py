"""The language model's head at the positions that have a label, on every device.

TRL's fused head scores labelled positions alone where it has Triton, and every position elsewhere, prompts and padding among
them: for compilers that want one shape, which a CPU does not need. The losses are the same; with a vocabulary of 152,064
the head is most of a step's time and memory on a CPU (benchmarks/head.py).
"""

from __future__ import annotations

import torch
from trl.trainer import utils


def labelled_alone() -> None:
    """For the rest of this process. The kernel that scores a position is chosen elsewhere, by a name of its own."""
    utils._use_triton = _always


def _always(device: torch.device) -> bool:
    return True
