"""Data that is published nowhere: the user has it or makes it."""

from __future__ import annotations

from typing import NoReturn

from lingshu_train.data.cards.card import Card
from lingshu_train.errors import MissingInput
from lingshu_train.hub.sources._job import Job, Offer


def offer(card: Card) -> Offer:
    return Offer(what="nothing: it is published nowhere")


def permit(card: Card) -> NoReturn:
    """Always MissingInput: what the user must put where."""
    names = ", ".join(card.files.values()) or "its files"
    raise MissingInput(
        f"{card.name}: is published nowhere; {card.lingshu.source.how_to_get}; put {names} into its data folder"
    )


def fetch(job: Job) -> NoReturn:
    permit(job.card)
