"""What joins a question of a benchmark to the rows that a model has learned from: a graph of edges, each of a kind.

Stored bytes, patients and equal texts are looked for in every row. Pictures and longer texts are opened for the questions that
these have not joined. A row that a teacher has made is joined to whatever one of the rows that it was made from is joined to,
though neither its text nor its picture need show that.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from lingshu_train.data.cards.named_alike import named_alike
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.corpus.parents import naming
from lingshu_train.data.images import hashes, parts
from lingshu_train.evaluation import leaked, worded
from lingshu_train.record import Sample

Kind = Literal["bytes", "pixels", "patient", "text", "child", "near picture", "crop", "near text"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ALMOST: tuple[Kind, ...] = ("near picture", "crop", "near text")
"""Kinds that say that something is nearly the same, or a part; the others say that it is."""
MOST_PICTURES = 20_000
"""Training pictures up to which copies are looked for: each is opened and hashed, some 3 ms."""
MOST_PARTED = 2_000
"""Pictures of questions up to which parts of them are looked for: 25 hashes each."""
MOST_TEXTS = 500_000
"""Training rows up to which runs of words are looked for: some 50 microseconds each."""
_LONG = 40
"""Characters from which the text of a question says which one it is."""
_BITS, _MEAN, _WORST, _BLANK = 3, 1.25, 8, 2.0
"""As the step `near_pictures` of curation has them: bits of a hash, and grey levels of thumbnails."""
Gallery = Callable[[str], Image.Image]


@dataclass(frozen=True, slots=True)
class Edge:
    """The question `asked` and the training row `taught`, by their ids, and the card of the latter."""

    kind: Kind
    asked: str
    taught: str
    card: str


@dataclass(frozen=True, slots=True)
class Kinship:
    """The edges found, and what was not looked for."""

    edges: tuple[Edge, ...]
    fault: str = ""


def of(
    trained: Sequence[Corpus], samples: Sequence[Sample], gallery: Gallery, *, above: Sequence[Corpus] = ()
) -> Kinship:
    """Of questions and the corpora that a model was trained on. `gallery` opens a picture of a question by its name; `above`:
    the corpora that these were made from."""
    direct = _direct(trained, samples, gallery)
    children = _children(trained, above, samples, gallery)
    return Kinship((*direct.edges, *children), direct.fault)


def _direct(trained: Sequence[Corpus], samples: Sequence[Sample], gallery: Gallery) -> Kinship:
    edges = list(dict.fromkeys(_exact(trained, samples)))
    known = {edge.asked for edge in edges}
    left = [one for one in samples if one.id not in known]
    faults = []
    if any(one.images for one in left):
        shown, too_many = _shown(trained)
        faults += [too_many] * bool(too_many)
        if shown:
            found, fault = _pictures(shown, trained, [one for one in left if one.images], gallery)
            edges += found
            faults += [fault] * bool(fault)
    texts = [one for one in left if not one.images]
    if texts and (rows := sum(map(len, trained))) > MOST_TEXTS:
        faults.append(f"runs of words were not looked for in {rows:,} training rows")
    elif texts:
        edges += _near_texts(trained, texts)
    return Kinship(tuple(dict.fromkeys(edges)), "; ".join(faults))


def _exact(trained: Sequence[Corpus], samples: Sequence[Sample]) -> Iterator[Edge]:
    """One pass over the corpora; what is in memory is bounded by the samples."""
    pictures, groups, texts = (defaultdict[str, list[Sample]](list) for _ in range(3))
    for one in samples:
        for name in one.images:
            pictures[name].append(one)
        if one.group:
            groups[one.group].append(one)
        if not one.images and len(one.question) >= _LONG:
            texts[_plain(one.question)].append(one)
    sets = [pa.array(sorted(each), pa.string()) for each in (pictures, groups, texts)]
    for corpus in trained:
        for part in leaked.parts(corpus, ("id", "images", "group", "card", "question")):
            shown = pc.struct_field(pc.list_flatten(part["images"]), "digest")
            owners = pc.list_parent_indices(part["images"])
            plain = pc.utf8_lower(pc.utf8_trim_whitespace(part["question"]))
            rows = pa.array(np.arange(len(part)))
            for name, id, card in _hits(part, shown, owners, sets[0]):
                yield from (Edge("bytes", one.id, id, card) for one in pictures[name])
            for name, id, card in _hits(part, part["group"], rows, sets[1]):
                alike = (one for one in groups[name] if named_alike(one.card, card))
                yield from (Edge("patient", one.id, id, card) for one in alike)
            for name, id, card in _hits(part, plain, rows, sets[2]):
                yield from (Edge("text", one.id, id, card) for one in texts[name])


def _hits(
    part: pa.Table, values: pa.ChunkedArray, rows: pa.Array, wanted: pa.Array
) -> Iterable[tuple[str, str, str]]:
    """Values that are wanted, each with id and card of the row that has it."""
    mask = pc.is_in(values, value_set=wanted)
    here = rows.filter(mask)
    lists = (values.filter(mask), part["id"].take(here), part["card"].take(here))
    return zip(*(each.to_pylist() for each in lists), strict=True)


def _plain(text: str) -> str:
    return text.strip().lower()


@dataclass(frozen=True, slots=True)
class _Look:
    """A picture as it is compared: who has it, its hash, thumbnail and decoded pixels."""

    owners: tuple[tuple[str, str], ...]
    hash: int
    small: hashes.Grey
    pixels: bytes


def _shown(trained: Sequence[Corpus]) -> tuple[dict[str, tuple[int, list[tuple[str, str]]]], str]:
    """Of every training picture the place of its corpus, and id and card of each row that shows it."""
    found: dict[str, tuple[int, list[tuple[str, str]]]] = {}
    for place, corpus in enumerate(trained):
        for part in leaked.parts(corpus, ("id", "images", "card")):
            names = pc.struct_field(pc.list_flatten(part["images"]), "digest").to_pylist()
            owners = pc.list_parent_indices(part["images"])
            lists = (part["id"].take(owners).to_pylist(), part["card"].take(owners).to_pylist())
            for name, id, card in zip(names, *lists, strict=True):
                found.setdefault(name, (place, []))[1].append((id, card))
            if len(found) > MOST_PICTURES:
                return {}, f"near copies were not looked for among {len(found):,} training pictures or more"
    return found, ""


def _pictures(
    shown: Mapping[str, tuple[int, list[tuple[str, str]]]],
    trained: Sequence[Corpus],
    asked: Sequence[Sample],
    gallery: Gallery,
) -> tuple[list[Edge], str]:
    """Pictures that are the same when they are opened, nearly the same, or a part of a question's."""
    owners: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for one in asked:
        for name in one.images:
            owners[name].append((one.id, one.card))
    theirs = list(_looks((trained[place].image(name), who) for name, (place, who) in sorted(shown.items())))
    mine = list(_looks((gallery(name), who) for name, who in sorted(owners.items())))
    edges, met = list[Edge](), set[int]()
    for here, there in _pairs(mine, theirs, _BITS):
        mean, worst = hashes.apart(mine[here].small, theirs[there].small)
        same = mine[here].pixels == theirs[there].pixels
        if same or (mean <= _MEAN and worst <= _WORST):
            edges += _joined("pixels" if same else "near picture", mine[here], theirs[there])
            met.add(here)
    left = [name for number, name in enumerate(sorted(owners)) if number not in met]
    if len(left) > MOST_PARTED:
        return edges, f"parts of pictures were not looked for among {len(left):,} pictures of questions"
    for name in left:
        pieces = list(_looks((part, owners[name]) for part in parts.of(gallery(name).convert("L"))))
        for here, there in _pairs(pieces, theirs, parts.BITS):
            if parts.alike(pieces[here].small, theirs[there].small):
                edges += _joined("crop", pieces[here], theirs[there])
    return edges, ""


def _joined(kind: Kind, one: _Look, other: _Look) -> Iterator[Edge]:
    for asked, _ in one.owners:
        yield from (Edge(kind, asked, taught, card) for taught, card in other.owners)


def _pairs(mine: Sequence[_Look], theirs: Sequence[_Look], bits: int) -> Iterator[tuple[int, int]]:
    """Places of pictures whose hashes differ in few bits, of which neither is blank."""
    here, there = (
        [n for n, one in enumerate(each) if float(one.small.std()) > _BLANK] for each in (mine, theirs)
    )
    if not here or not there:
        return
    ours = np.array([mine[n].hash for n in here], np.uint64)
    others = np.array([theirs[n].hash for n in there], np.uint64)
    for first, second in hashes.crossing(ours, others, bits):
        yield from ((here[a], there[b]) for a, b in zip(first.tolist(), second.tolist(), strict=True))


def _looks(pictures: Iterable[tuple[Image.Image, Sequence[tuple[str, str]]]]) -> Iterator[_Look]:
    for picture, owners in pictures:
        grey = picture.convert("L")
        small = hashes.thumbnail(grey)
        pixels = hashlib.sha256(f"{grey.size}".encode() + picture.convert("RGB").tobytes()).digest()
        yield _Look(tuple(owners), hashes.phash(small), small, pixels)


def _near_texts(trained: Sequence[Corpus], asked: Sequence[Sample]) -> Iterator[Edge]:
    """Rows whose text holds at least half of the runs of words of a question."""
    index = worded.Index({one.id: one.question for one in asked})
    for corpus in trained:
        for part in leaked.parts(corpus, ("id", "card", "question", "reasoning", "answer")):
            lists = (part[name].to_pylist() for name in ("id", "card", "question", "reasoning", "answer"))
            for id, card, *texts in zip(*lists, strict=True):
                yield from (
                    Edge("near text", one, id, card) for one in index.met("\n".join(filter(None, texts)))
                )


def _children(
    trained: Sequence[Corpus], above: Sequence[Corpus], samples: Sequence[Sample], gallery: Gallery
) -> Iterator[Edge]:
    """Rows that were made from a question, or from a row that is joined to one, by way of however many others."""
    made = [line for corpus in trained for line in _lineage(corpus) if line[2]]
    if not made:
        return
    lines = [[*_lineage(corpus)] for corpus in above]
    wanted = {name for _, _, names in made for name in names}
    chosen: list[set[int]] = [set() for _ in above]
    more = True
    while more:
        more = False
        for place, rows in enumerate(lines):
            for number, (id, _, names) in enumerate(rows):
                if number not in chosen[place] and not wanted.isdisjoint(naming(id)):
                    chosen[place].add(number)
                    more = more or not wanted.issuperset(names)
                    wanted.update(names)
    joined: dict[str, set[str]] = defaultdict(set)
    for one in samples:
        joined[one.id].add(one.id)
    older = [
        replace(corpus, chosen=np.array([corpus.row(n) for n in sorted(rows)], np.uint32))
        for corpus, rows in zip(above, chosen, strict=True)
        if rows
    ]
    for edge in _direct(older, samples, gallery).edges if older else ():
        for name in naming(edge.taught):
            joined[name].add(edge.asked)
    ancestry = {name: names for rows in lines for id, _, names in rows for name in naming(id)}
    for id, card, names in made:
        for asked in sorted({each for name in _ancestors(names, ancestry) for each in joined.get(name, ())}):
            yield Edge("child", asked, id, card)


def _ancestors(names: Sequence[str], ancestry: Mapping[str, Sequence[str]]) -> set[str]:
    found, new = set[str](), set(names)
    while new:
        found |= new
        new = {each for name in new for each in ancestry.get(name, ())} - found
    return found


def _lineage(corpus: Corpus) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Id, card and parents of the chosen rows; corpora of before know no parents."""
    if "parents" not in corpus.reader.names:
        return
    for part in leaked.parts(corpus, ("id", "card", "parents")):
        lists = (part[name].to_pylist() for name in ("id", "card", "parents"))
        yield from ((id, card, tuple(names or ())) for id, card, names in zip(*lists, strict=True))
