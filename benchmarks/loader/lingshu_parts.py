"""Where this project's time goes: milliseconds of one core per row, by part of the path, over one epoch of the rows.

    python benchmarks/loader/lingshu_parts.py FOLDER OUT

FOLDER is one that benchmarks/loader.py has prepared; it calls this at its end. A part's time is its own: what it calls and is a part
too is counted there.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import lingshu
import torch
from transformers import PreTrainedTokenizerFast
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from trl.trainer import sft_trainer

from lingshu_train.data.corpus import corpus
from lingshu_train.model.families import _qwen_patches as patches
from lingshu_train.model.families._qwen_patches import ImageProcessor

REST = "the rest: data set, collator, tensors"


class Clock:
    """Own time of nested parts, in seconds of this process."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = time.process_time()

    def switch(self, part: str | None) -> None:
        """Enter a part, or (None) leave the one entered last."""
        now = time.process_time()
        self.spent[self._open[-1] if self._open else REST] += now - self._since
        self._since = now
        if part is None:
            self._open.pop()
        else:
            self._open.append(part)

    def watch(self, owner: Any, name: str, part: str) -> None:
        inner: Callable[..., Any] = getattr(owner, name)

        @wraps(inner)
        def timed(*given: Any, **named: Any) -> Any:
            self.switch(part)
            try:
                return inner(*given, **named)
            finally:
                self.switch(None)

        setattr(owner, name, timed)


def main(folder: Path, out: Path) -> None:
    torch.set_num_threads(1)
    epoch = lingshu.batches(folder)
    next(iter(epoch()))
    clock = Clock()
    clock.watch(corpus.Corpus, "_bytes", "read, check the picture's sha256")
    clock.watch(corpus.Corpus, "_picture", "decode")
    clock.watch(ImageProcessor, "process_image", "picture to array")
    clock.watch(Qwen2VLImageProcessorPil, "resize", "resize")
    clock.watch(patches, "cut", "cut patches")
    clock.watch(patches, "looked_up", "look up values")
    clock.watch(sft_trainer, "apply_chat_template", "chat template")
    clock.watch(PreTrainedTokenizerFast, "__call__", "tokenise")
    clock.switch(REST)
    clock.spent.clear()
    rows = sum(len(batch["input_ids"]) for batch in epoch())
    clock.switch(None)
    parts = {part: round(1000 * spent / rows, 2) for part, spent in clock.spent.items()}
    whole = round(1000 * sum(clock.spent.values()) / rows, 2)
    result = {"whole": whole, **dict(sorted(parts.items(), key=lambda item: -item[1]))}
    out.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
