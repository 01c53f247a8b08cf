"""The recipe's cluster block: which processes a stage runs on, and how its state is divided among them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lingshu_train.schema import Strict


class Cluster(Strict):
    """`processes` per machine under `lingshu run`; under torchrun the launcher's own world counts instead.

    `deepspeed` none means plain data parallelism. `threads` is OMP_NUM_THREADS of every process, 0 the system's choice.
    """

    name: str
    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: int = Field(default=1, gt=0)
    deepspeed: Literal["none", "zero1", "zero2", "zero3"] = "none"
    threads: int = Field(default=0, ge=0)
