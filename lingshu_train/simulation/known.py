"""Passes that were traced before on this machine, in the user's cache folder: by all that decides how they go. No torch."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import tempfile
from importlib import metadata
from pathlib import Path

import lingshu_train
from lingshu_train import environment, naming
from lingshu_train.simulation.load import Load
from lingshu_train.simulation.passed import Passed, Setting

_PACKAGES = ("torch", "transformers", "trl", "peft")
"""Whose code a pass runs, beside our own."""


def name(setting: Setting, load: Load) -> str:
    """The hash of a pass: model, what trains, rows, and the code that it runs."""
    return naming.digest(
        {
            "model": setting.settings.model_dump(mode="json"),
            "train": str(setting.config.train),
            "load": load.model_dump(mode="json"),
            "divided": setting.divided,
            "learns": setting.learns,
            "on_gpu": setting.on_gpu,
            "code": _code(),
            "plugins": naming.plugin_digests(),
        }
    )


@functools.cache
def _code() -> str:
    root = Path(lingshu_train.__file__).parent
    own = {path.relative_to(root).as_posix(): naming.file_digest(path) for path in sorted(root.rglob("*.py"))}
    return naming.digest([own, {package: metadata.version(package) for package in _PACKAGES}])


def read(key: str) -> Passed | None:
    """A pass by its hash; None where there is none, or a file that is damaged, which costs a trace."""
    try:
        found = json.loads(_place(key).read_text(encoding="utf-8"))
        if found.pop("of") != key or found.pop("digest") != naming.digest(found):
            return None
        return Passed(**found)
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return None


def keep(key: str, passed: Passed) -> None:
    """For the next time. A folder that cannot be written to costs that alone."""
    found = dataclasses.asdict(passed)
    text = json.dumps({"of": key, "digest": naming.digest(found), **found})
    try:
        folder = _place(key).parent
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as beside:
            beside.write(text)
        os.replace(beside.name, _place(key))
    except OSError:
        return


def _place(key: str) -> Path:
    return environment.cache() / "passes" / f"{key}.json"
