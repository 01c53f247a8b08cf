"""Made rows to a corpus: ids, parents, groups and pictures, each row as a prepared one has to be."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

from PIL import Image

from lingshu_train.data import images
from lingshu_train.data.corpus.admission import admitted
from lingshu_train.data.corpus.specification import Specification
from lingshu_train.data.corpus.writer import Kept, Outcome, StoredPicture
from lingshu_train.model.settings import Settings
from lingshu_train.naming import digest
from lingshu_train.record import Sample
from lingshu_train.synthesize._made import Came
from lingshu_train.synthesize._request import Picture
from lingshu_train.synthesize._row import Made, Row

STORED = "sha256:"
"""How the reference of a picture begins that lies in the corpus before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What made rows are called, and which card they belong to."""

    card: str
    pipeline: str
    task: str

    def sample(self, row: Row, made: Made, number: int) -> Sample:
        """The made sample with what is its own. It stays in its parent's split and group, so that no patient crosses."""
        parent = row.sample
        return replace(
            made.sample,
            id=f"{self.card}/{digest([self.pipeline, self.task, parent.id, number])[:20]}",
            card=self.card,
            task=self.task,
            split=parent.split,
            group=parent.group,
            parents=tuple(one.id for one in row.beside),
        )


def outcomes(came: Came, naming: Naming, wanted: Specification) -> Iterator[Outcome]:
    """What of a row's made ones can be trained on; a text with a control token, for example, cannot."""
    for number, made in enumerate(came.made):
        shown = came.row.pictures if made.pictures is None else made.pictures
        pictures = [stored(one, wanted) for one in shown]
        sample = naming.sample(came.row, made, number)
        yield admitted(replace(sample, images=tuple(one.digest for one in pictures)), pictures, wanted)


def stored(picture: Picture, wanted: Specification) -> StoredPicture:
    """A picture of the corpus before as it lies there, one of ours as preparing keeps one."""
    data = picture.load()
    if picture.ref.startswith(STORED):
        suffix = ending(data)
        size = (picture.width, picture.height)
        kept = StoredPicture(
            data=data,
            digest=hashlib.sha256(data).hexdigest(),
            suffix=suffix,
            width=picture.width,
            height=picture.height,
            whole=size,
        )
        return kept
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        encoded = images.encoded(opened, budget=wanted.budget)
    return StoredPicture(
        data=encoded.data,
        digest=hashlib.sha256(encoded.data).hexdigest(),
        suffix=encoded.suffix,
        width=encoded.width,
        height=encoded.height,
        whole=encoded.whole,
        moved=encoded.moved,
    )


def ending(data: bytes) -> str:
    """Of a stored picture's file."""
    return ".png" if data.startswith(b"\x89PNG") else ".jpg"


def specification(settings: Settings) -> Specification:
    """What a row of this model's corpora must be."""
    return Specification(
        splits=(),
        data_root="",
        asked=(),
        image_size=settings.budget.grid,
        least_side=1,
        budget=settings.budget,
        seed=0,
        context=settings.shape.context,
        control=settings.shape.control,
    )


def kept(outcome: Outcome) -> str:
    """The id of a row that is kept; empty for another."""
    return outcome.sample.id if isinstance(outcome, Kept) else ""
