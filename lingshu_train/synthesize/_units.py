"""The rows of a corpus that a pipeline takes, one by one or all of a picture together, in the order of the corpus."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.corpus.records import Location, locations_of, sample_of
from lingshu_train.synthesize._pipelines import Loaded
from lingshu_train.synthesize._request import Picture, once
from lingshu_train.synthesize._row import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """What goes through a pipeline: numbers among the chosen rows of `corpus`, those that go together in one tuple."""

    corpus: Corpus
    chosen: Sequence[tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.chosen)

    def spread(self, count: int) -> Units:
        """At most `count` of them, from all over."""
        if len(self) <= count:
            return self
        return Units(corpus=self.corpus, chosen=[self.chosen[n * len(self) // count] for n in range(count)])

    def rows(self) -> Iterator[Row]:
        """Pictures are read when they are sent, by whichever thread sends them."""
        lock = threading.Lock()
        for numbers in self.chosen:
            records = [self.corpus.reader.record(self.corpus.row(number)) for number in numbers]
            first = records[0]
            places = locations_of(first)
            yield Row(
                number=self.corpus.row(numbers[0]),
                sample=sample_of(first),
                pictures=tuple(_picture(self.corpus, place, lock) for place in places),
                beside=tuple(map(sample_of, records)),
            )


def of(found: Corpus, pipeline: Loaded, *, most: int = 0) -> Units:
    """The first `most` of them; 0: all."""
    together: dict[tuple[str, ...], list[int]] = {}
    alone: list[tuple[int, ...]] = []
    by_picture = pipeline.file.UNIT == "picture"
    for number in range(len(found)):
        if most and not by_picture and len(alone) >= most:
            break
        sample = found.sample(number)
        if not pipeline.takes(sample):
            continue
        if by_picture:
            together.setdefault((sample.split, *sample.images), []).append(number)
        else:
            alone.append((number,))
    chosen = [tuple(numbers) for numbers in together.values()] if by_picture else alone
    return Units(corpus=found, chosen=chosen[:most] if most else chosen)


def _picture(found: Corpus, place: Location, lock: threading.Lock) -> Picture:
    return Picture(
        ref=f"sha256:{place.digest}",
        load=once(_reading(found, place, lock)),
        width=place.width,
        height=place.height,
    )


def _reading(found: Corpus, place: Location, lock: threading.Lock) -> Callable[[], bytes]:
    def load() -> bytes:
        with lock:
            return found.encoded(place, owner=f"image {place.digest[:12]}")

    return load
