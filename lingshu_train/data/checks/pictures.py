"""The pictures of a card, each looked at once: is it there, does it decode, how large is it, and which file is it?"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from lingshu_train.data.corpus import chunks
from lingshu_train.data.corpus.seen import Seen
from lingshu_train.data.corpus.specification import Specification
from lingshu_train.data.corpus.writer import StoredPicture
from lingshu_train.data.images.opening import NoFile
from lingshu_train.data.rows.row import NoPicture, Picture
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.model.shape import Unfit

FAULTS: Mapping[str, type[DataError | MissingInput]] = {
    "DataError": DataError,
    "MissingInput": MissingInput,
    "NoFile": NoFile,
    "NoPicture": NoPicture,
    "Unfit": Unfit,
}
"""What a picture may be refused with, by name."""

_SIDE, _HUGE = 56, 10**9
"""Pixels of a picture that nobody decoded: small enough for every budget, and large enough for every box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is known of a picture. `digest`: sha256 of its file's bytes. `size`, `whole`, `moved`: as for `StoredPicture`, where
    it was decoded. `fault`, of the kind `raises`: why it cannot be taken."""

    digest: str = ""
    decoded: bool = False
    size: tuple[int, int] = (0, 0)
    whole: tuple[int, int] = (0, 0)
    moved: bool = False
    fault: str = ""
    raises: str = ""

    def text(self) -> str:
        """For the notebook."""
        return json.dumps(
            [self.digest, self.decoded, self.size, self.whole, self.moved, self.fault, self.raises]
        )

    @classmethod
    def of(cls, text: str) -> Look:
        """As `text` wrote it."""
        digest, decoded, size, whole, moved, fault, raises = json.loads(text)
        return cls(
            digest=digest,
            decoded=decoded,
            size=tuple(size),
            whole=tuple(whole),
            moved=moved,
            fault=fault,
            raises=raises,
        )


@dataclass(slots=True)
class Pictures:
    """Looks at pictures and remembers what it saw in `seen`. `decode`: whether they are decoded, or only compared."""

    seen: Seen
    wanted: Specification
    decode: bool
    here: dict[str, Look] = field(default_factory=dict)

    def look(self, pictures: Iterable[Picture], *, decode: bool | None = None) -> None:
        """Look at those that were not looked at before, several at a time."""
        decodes = self.decode if decode is None else decode
        self.here = {}
        fresh: dict[str, Picture] = {}
        for picture in pictures:
            key = named(picture)
            known = self.seen.recall("look", key)
            found = Look.of(known) if known else None
            if found and (found.decoded or found.fault or not decodes):
                self.here[key] = found
            else:
                fresh.setdefault(key, picture)
        for key, found in zip(fresh, _each(fresh.values(), self.wanted, decode=decodes), strict=True):
            self.here[key] = found
            self.seen.remember("look", key, found.text())

    def of(self, picture: Picture) -> Look:
        """What was seen of a picture of the last `look`."""
        return self.here[named(picture)]

    def stored(self, picture: Picture, _: Specification) -> StoredPicture:
        """What the corpus would keep of it, without the bytes; where it was not decoded, of a size that breaks no rule. Raises
        what is wrong with it."""
        found = self.of(picture)
        if found.fault:
            raise FAULTS[found.raises](found.fault)
        side = max(_SIDE, self.wanted.least_side)
        width, height = found.size if found.decoded else (side, side)
        return StoredPicture(
            data=b"",
            digest=found.digest,
            suffix="",
            width=width,
            height=height,
            whole=found.whole if found.decoded else (_HUGE, _HUGE),
            moved=found.moved,
        )


def named(picture: Picture) -> str:
    """What tells a picture from all others: its file or bytes, and what of it is meant."""
    return f"{picture.path or hashlib.sha256(picture.data).hexdigest()} {picture.excerpt}"


def _each(pictures: Iterable[Picture], wanted: Specification, *, decode: bool) -> Iterator[Look]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda one: _look(one, wanted, decode=decode), pictures)


def _look(picture: Picture, wanted: Specification, *, decode: bool) -> Look:
    found = Look()
    try:
        found = Look(digest=picture.digest())
        if decode:
            kept = chunks.stored(picture, wanted)
            return replace(
                found,
                decoded=True,
                size=(kept.width, kept.height),
                whole=kept.whole,
                moved=kept.moved,
            )
    except (DataError, MissingInput) as fault:
        kinds = (name for name, kind in FAULTS.items() if type(fault) is kind)
        raises = next(kinds, "DataError" if isinstance(fault, DataError) else "MissingInput")
        return replace(found, fault=str(fault), raises=raises)
    return found
