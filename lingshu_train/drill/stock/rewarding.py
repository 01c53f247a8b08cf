"""The reward of the plain GRPO script, in a file of its own, where a fault can take its place."""

from __future__ import annotations

from collections.abc import Sequence


def reward(completions: list[str], **_: object) -> Sequence[float | None]:
    """The share of different words."""
    return [len(set(text.split())) / max(len(text.split()), 1) for text in completions]
