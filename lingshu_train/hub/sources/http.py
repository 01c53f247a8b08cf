"""Files at fixed web addresses, which the card lists."""

from __future__ import annotations

from lingshu_train.data.cards.parts import Part
from lingshu_train.errors import MissingInput, NotPermitted
from lingshu_train.hub.download import Client, Wanted
from lingshu_train.hub.patience import Patience
from lingshu_train.hub.sources._job import Arrived, Job, Offer, download, place, session


def offer(part: Part) -> Offer:
    """The addresses that the card lists."""
    files = part.source.files
    sizes = [file.bytes for file in files]
    size = sum(size or 0 for size in sizes) if None not in sizes else None
    return Offer(what=", ".join(file.url for file in files), size=size if files else None)


def permit(part: Part) -> None:
    """NotPermitted where a person must accept terms first; MissingInput where the card lists no files."""
    if part.access != "open":
        raise NotPermitted(f"{part.label}: is {part.access}: {_steps(part)}")
    if not part.source.files:
        raise MissingInput(f"{part.label}: the card knows no address of its files: {_steps(part)}")


def fetch(job: Job) -> Arrived:
    """The files of the card, each against its checksum where the card has one."""
    client = Client(session=session(), refusal=_steps(job.part), patience=Patience(say=job.say))
    wanted = [
        (
            file.place,
            Wanted(url=file.url, target=place(job, file.place), sha256=file.sha256, size=file.bytes),
        )
        for file in job.part.source.files
    ]
    return Arrived(revision=job.part.source.revision, files=download(job, client, wanted))


def _steps(part: Part) -> str:
    home, steps = part.source.home, part.source.how_to_get
    return f"{steps} ({home})" if steps else f"see {home}"
