"""Data that is published nowhere: the user has it or makes it."""

from __future__ import annotations

from typing import NoReturn

from lingshu_train.data.cards.parts import Part
from lingshu_train.errors import MissingInput
from lingshu_train.hub.sources._job import Job, Offer


def offer(part: Part) -> Offer:
    return Offer(what="nothing: you put it there")


def permit(part: Part) -> NoReturn:
    """Always MissingInput: what the user must put where."""
    if part.own:
        names = ", ".join(part.card.files.values()) or "its files"
        raise MissingInput(
            f"{part.label}: is published nowhere; {part.source.how_to_get}; put {names} into its data folder"
        )
    place = f"{part.into}/ of the data folder" if part.into else "the data folder"
    raise MissingInput(
        f"{part.label}: {part.source.how_to_get or f'see {part.source.home}'}; put it into {place}"
    )


def fetch(job: Job) -> NoReturn:
    permit(job.part)
