"""Audits by a person: answers wait in the stage's folder until `lingshu audit RUN` is given a verdict."""

from __future__ import annotations

from lingshu_train.auditing.auditor import Finding
from lingshu_train.record import Completion, Sample
from lingshu_train.schema import Strict

LATER = True


class Params(Strict):
    """No parameters."""


def audit(sample: Sample, completion: Completion, params: Params) -> Finding:
    """Nobody has looked yet."""
    return Finding(false=None, why="waits")
