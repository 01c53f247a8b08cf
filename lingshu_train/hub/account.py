"""Whether there is a login to the Hugging Face Hub. Asks no server, reads no token."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import constants

from lingshu_train import environment

_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def logged_in() -> bool:
    """Whether a login has been left. It is not looked into, so nothing is said of whether the hub takes it."""
    file = Path(constants.HF_TOKEN_PATH)
    try:
        left = file.is_file() and file.stat().st_size > 0
    except OSError:
        left = False
    return left or any(environment.credential(name) for name in _TOKENS)
