"""What of the Hugging Face Hub is on this machine: its cache, and whether there is a login. Asks no server, reads no token."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import constants, try_to_load_from_cache

from lingshu_train import environment

_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")


def cache() -> Path:
    """The folder of downloaded models."""
    return Path(constants.HF_HUB_CACHE)


def logged_in() -> bool:
    """Whether a login has been left. It is not looked into, so nothing is said of whether the hub takes it."""
    file = Path(constants.HF_TOKEN_PATH)
    try:
        left = file.is_file() and file.stat().st_size > 0
    except OSError:
        left = False
    return left or any(environment.credential(name) for name in _TOKENS)


def cached(model: str, revision: str = "") -> bool:
    """Whether a model's configuration and weights are in the cache."""
    found = (
        try_to_load_from_cache(model, name, cache_dir=cache(), revision=revision or None)
        for name in ("config.json", *_WEIGHTS)
    )
    config, *weights = (isinstance(path, str) for path in found)
    return config and any(weights)
