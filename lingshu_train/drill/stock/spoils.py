"""What fails inside a plain script: patches for its process."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from lingshu_train.drill.stock import rewarding
from lingshu_train.running.warm import Spoil


def loss() -> None:
    """One loss is NaN."""
    from transformers import Trainer
    from trl import SFTTrainer

    left = 1
    for kind in (Trainer, SFTTrainer):
        whole = vars(kind).get("compute_loss")

        def compute_loss(self, *args, _whole=whole, **kwargs):  # type: ignore[no-untyped-def]
            nonlocal left
            found = _whole(self, *args, **kwargs)
            if not left or self.state.global_step + 1 != 5:
                return found
            left -= 1
            return (found[0] * float("nan"), *found[1:]) if isinstance(found, tuple) else found * float("nan")

        if whole is not None:
            kind.compute_loss = compute_loss


def gives(value: float | None, *, share: int = 1) -> Spoil:
    def spoil() -> None:
        plain = rewarding.reward

        def reward(completions: list[str], **more: object) -> Sequence[float | None]:
            found = plain(completions, **more)
            return [
                value if zlib.crc32(text.encode()) % share == 0 else one
                for text, one in zip(completions, found, strict=True)
            ]

        rewarding.reward = reward

    return spoil


def raises() -> None:
    def reward(completions: list[str], **_: object) -> Sequence[float | None]:
        raise KeyError("answer")

    rewarding.reward = reward


def hangs() -> None:
    def reward(completions: list[str], **_: object) -> Sequence[float | None]:
        while True:
            pass

    rewarding.reward = reward
