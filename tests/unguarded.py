"""A stage's worker as it would be without the guard of the vision tower. `--find-unused` makes DDP look for what did not run."""

from __future__ import annotations

import sys
from typing import Any

from lingshu_train import worker
from lingshu_train.model import vision_guard
from lingshu_train.trainers import arguments


def main(path: str, *flags: str) -> int:
    vision_guard.install = lambda *_, **__: None  # type: ignore[assignment]
    if "--find-unused" in flags:
        shared = arguments.shared

        def finding(*args: Any, **kwargs: Any) -> dict[str, Any]:
            return shared(*args, **kwargs) | {"ddp_find_unused_parameters": True}

        arguments.shared = finding
    return worker.main(path)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
