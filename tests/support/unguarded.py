"""A stage's worker as it would be without the guard of the vision tower, where no rank waits long for another.

`--find-unused` lets DDP look for what did not run instead.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import torch.distributed

from lingshu_train.model import vision_guard
from lingshu_train.running import worker
from lingshu_train.training import arguments

PATIENCE = timedelta(seconds=20)
"""Half an hour is torch's."""


def main(path: str, *flags: str) -> int:
    vision_guard.install = lambda *_, **__: None  # type: ignore[assignment]
    if "--find-unused" in flags:
        arguments.shared = _with(arguments.shared, ddp_find_unused_parameters=True)
    else:
        start = torch.distributed.init_process_group
        torch.distributed.init_process_group = lambda *args, **kwargs: start(
            *args, **{**kwargs, "timeout": PATIENCE}
        )
    return worker.main(path)


def _with(shared: Any, **more: Any) -> Any:
    return lambda *args, **kwargs: shared(*args, **kwargs) | more


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
