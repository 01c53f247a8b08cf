"""A stage's worker whose first rank is slow once in each thing that it does alone.

`python -m tests.support.slow_first_rank STAGE.json`; the seconds stand in LONG_S.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from deepspeed.runtime.checkpoint_engine.torch_checkpoint_engine import TorchCheckpointEngine
from transformers import Trainer

from lingshu_train.data.corpus import lengths
from lingshu_train.running import worker
from lingshu_train.runs import checkpoint, inputs, manifest
from lingshu_train.training import packed

ALONE: tuple[tuple[Any, str], ...] = (
    (inputs, "check"),
    (lengths, "of"),
    (packed.Packed, "_plan"),
    (Trainer, "_save"),
    (TorchCheckpointEngine, "save"),
    (checkpoint, "commit"),
    (manifest, "write"),
)


def slowly(owner: Any, name: str) -> None:
    whole = getattr(owner, name)

    def slow(*args: Any, **kwargs: Any) -> Any:
        print("slowly:", name, flush=True)
        time.sleep(float(os.environ["LONG_S"]))
        setattr(owner, name, whole)
        return whole(*args, **kwargs)

    setattr(owner, name, slow)


if __name__ == "__main__":
    if os.environ["RANK"] == "0":
        for each in ALONE:
            slowly(*each)
    sys.exit(worker.main(sys.argv[1]))
