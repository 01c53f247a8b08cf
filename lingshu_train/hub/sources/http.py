"""Files at fixed web addresses, which the card lists."""

from __future__ import annotations

from lingshu_train.data.cards.card import Card
from lingshu_train.data.cards.croissant import home
from lingshu_train.errors import MissingInput, NotPermitted
from lingshu_train.hub.download import Client, Wanted
from lingshu_train.hub.patience import Patience
from lingshu_train.hub.sources._job import Arrived, Job, Offer, download, place, session


def offer(card: Card) -> Offer:
    """The addresses that the card lists."""
    files = card.lingshu.source.files
    sizes = [file.bytes for file in files]
    size = sum(size or 0 for size in sizes) if None not in sizes else None
    return Offer(what=", ".join(file.url for file in files), size=size if files else None)


def permit(card: Card) -> None:
    """NotPermitted where a person must accept terms first; MissingInput where the card lists no files."""
    if card.lingshu.access != "open":
        raise NotPermitted(f"{card.name}: is {card.lingshu.access}: {_steps(card)}")
    if not card.lingshu.source.files:
        raise MissingInput(f"{card.name}: the card knows no address of its files: {_steps(card)}")


def fetch(job: Job) -> Arrived:
    """The files of the card, each against its checksum where the card has one."""
    client = Client(session=session(), refusal=_steps(job.card), patience=Patience(say=job.say))
    wanted = [
        (
            file.place,
            Wanted(url=file.url, target=place(job, file.place), sha256=file.sha256, size=file.bytes),
        )
        for file in job.card.lingshu.source.files
    ]
    return Arrived(revision=job.card.lingshu.source.revision, files=download(job, client, wanted))


def _steps(card: Card) -> str:
    source = card.lingshu.source
    return f"{source.how_to_get} ({home(card)})" if source.how_to_get else f"see {home(card)}"
