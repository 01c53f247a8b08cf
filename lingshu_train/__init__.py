"""Reproducible SFT and RLVR training of medical vision-language models. docs/design.md says which room is for what.

The Python API (docs/api.md) is `lingshu_train.api`; its names can be had from here, and nothing heavy is imported before.
"""

from importlib import import_module

__version__ = "0.3.0.dev1"

_API = (
    "LingshuError",
    "Sample",
    "card",
    "cards",
    "evaluate",
    "judge",
    "plan",
    "recipe",
    "recipes",
    "results",
    "run",
    "score",
    "status",
    "verify_run",
    "write_report",
)


def __getattr__(name: str) -> object:
    if name not in _API:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("lingshu_train.api"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_API])
