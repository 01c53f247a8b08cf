"""The recipe's cluster block: which processes a stage runs on, and how its state is divided among them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lingshu_train.schema import Strict


class Cluster(Strict):
    """Which processes the stages run on. Recipes take one of `recipes/cluster/` and change what differs."""

    name: str
    """What this set of machines is called in plans and manifests."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where stages compute; `auto` takes a GPU where there is one. It does not change the name of a stage."""
    processes: int = Field(default=1, gt=0)
    """Processes on this machine under `lingshu run`, one for each GPU. Under torchrun the launcher's own number
    counts instead."""
    deepspeed: Literal["none", "zero1", "zero2", "zero3"] = "none"
    """What DeepSpeed divides among the processes: `zero1` the optimizer's state, `zero2` the gradients too, `zero3`
    the weights too. `none` is plain data parallelism. Says nothing on one process."""
    threads: int = Field(default=0, ge=0)
    """CPU threads of each process (OMP_NUM_THREADS), and processes that prepare data and measure lengths; 0 leaves it
    to the system."""
