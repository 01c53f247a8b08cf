"""Papers that a regulator or a journal asks for: one file a paper, filled from a run's manifests and cards.

A paper of a form is NAME.py beside `templates/NAME.md`; one that machines read names its FILE. Facts that several papers tell
are in the `_about_*` modules. What no manifest knows is asked of a person, never made up; the model card is in hub/.
"""

from __future__ import annotations

from types import ModuleType

from lingshu_train import naming
from lingshu_train.errors import UsageError


def names() -> list[str]:
    """Every paper, plugins' too."""
    return naming.components(__name__)


def module(name: str) -> ModuleType:
    """The file of a paper. UsageError (64) lists what there is."""
    return naming.component(__name__, name, where="--only", error=UsageError)
