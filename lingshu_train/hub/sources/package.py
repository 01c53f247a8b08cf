"""Pictures that come with an installed Python package."""

from __future__ import annotations

from typing import NoReturn

from lingshu_train.data.cards.parts import Part
from lingshu_train.errors import MissingInput
from lingshu_train.hub.sources._job import Job, Offer


def offer(part: Part) -> Offer:
    return Offer(what="nothing: it comes with a Python package")


def permit(part: Part) -> NoReturn:
    """Always MissingInput, since what is installed is not offered: which pip command."""
    source = part.source
    raise MissingInput(
        f"{part.label}: comes with the Python package {source.revision or source.name}; {source.how_to_get}"
    )


def fetch(job: Job) -> NoReturn:
    permit(job.part)
