"""What a run tells of its data: sources, sizes, what was left out, what the cards say of patients, labels and faults."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from lingshu_train.data.cards import fetched, licences
from lingshu_train.papers._form import Rows
from lingshu_train.papers._known import Known, Source
from lingshu_train.report.provenance import origin
from lingshu_train.runs import withdrawn
from lingshu_train.runs.manifest import Manifest

PEOPLE = r"patient|de-identif|deidentif|anonymi|consent|personal|HIPAA|ethic"
"""Words of a card's sentences that tell of the people behind its data."""
LABELS = r"label|annotat|radiolog|physician|clinician|doctor|pathologist|reader|outline|GPT|wrote|written"
"""Words of a card's sentences that tell who said what is right."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z*`'\"])")
ADDRESSES = "caption_urls"
"""The layout of rows that name web addresses."""
_NAMED = 4
"""Sentences of one card that are quoted; the card has them all."""


def sources(known: Known, named: Sequence[Source]) -> Rows:
    """A line a card: where it is from, who may have it, its licence, and how much of it was open to training."""
    heads = ("Data set", "Source", "Access", "Licence", "Rows", "Pictures", "Groups")
    return (heads, *(_source(known, one) for one in named)) if named else ()


def _source(known: Known, one: Source) -> tuple[str, ...]:
    found = known.counted.get(one.name)
    sizes = tuple(f"{value:,}" if found else "–" for value in _sizes(known, one.name))
    place = origin(one.card.lingshu.source) if one.card else "its card is not here"
    return (f"{one.title} ({one.name})", place, one.access or "not known", one.licence or "not known", *sizes)


def _sizes(known: Known, name: str) -> tuple[int, int, int]:
    found = known.counted.get(name)
    return (found.rows, found.pictures, found.groups) if found else (0, 0, 0)


def counted(known: Known) -> tuple[str, ...]:
    """How the numbers of the table are to be read; why there are none."""
    if known.uncounted:
        return (f"What of each set was open to training is not counted: {known.uncounted}.",)
    rows = sum(one.rows for one in known.counted.values())
    text = sum(one.text for one in known.counted.values())
    return (
        f"Open to training: {rows:,} different rows with {known.pictures:,} different pictures and {text:,} bytes of text "
        "(UTF-8; questions, options, answers, reasoning). Pictures are counted as they are stored: views that were made of one "
        "picture count each. Groups are what the rows tell apart as patient, volume or picture; numbers of patients cannot be "
        "derived from them.",
        f"Read too, and no row of it was open to training: {names(known.idle)}." if known.idle else "",
    )


def gone(sources_: Iterable[Source]) -> tuple[str, ...]:
    """A question for each card that cannot speak for the run any more."""
    return tuple(
        f"what the data card {one.name} said of source, access and licence: "
        + ("the card here is not the one that the run read" if one.card else "it is not here")
        for one in sources_
        if one.changed or one.card is None
    )


def local(sources_: Iterable[Source]) -> tuple[Source, ...]:
    """Sets that nobody published, or of which nothing is known: where they come from only a person can say."""
    return tuple(one for one in sources_ if one.access in ("local", ""))


def names(sources_: Iterable[Source]) -> str:
    """Their cards' names: short, and each of one set alone."""
    return ", ".join(one.name for one in sources_)


def licence_terms(known: Known) -> Rows:
    """What the owner of each set allows, as its card has it, and when that was read."""
    heads = (
        "Data set",
        "Licence",
        "Read at the source",
        "Weights may be published",
        "Commercial use",
        "Passing on",
    )
    rows = [
        (
            one.name,
            one.licence or "not known",
            one.card.lingshu.licence.read
            or ("no" if one.card.lingshu.licence.unverified else "day not recorded"),
            *(licences.said(one.card, what) for what in ("derive_weights", "commercial", "redistribute")),
        )
        for one in known.training
        if one.card
    ]
    return (heads, *rows) if rows else ()


def composition(known: Known) -> tuple[str, ...]:
    """Modalities, languages, body parts and tasks, of every corpus."""
    found = [f"{made.stage.name}, all splits: {line}" for made in known.corpora for line in _made_of(made)]
    listed = [one.card.lingshu for one in known.training if one.card]
    parts = sorted({part for one in listed for part in one.body_part})
    return (
        *found,
        f"Languages of the cards: {languages(known)}." if listed else "",
        f"Body parts that the cards name: {', '.join(parts)}." if parts else "",
    )


def _made_of(made: Manifest) -> list[str]:
    results = made.results
    return [
        f"{title} {counts}"
        for title, key in (("kinds of picture:", "modalities"), ("types of answer:", "question_types"))
        if (counts := _counts(results.get(key)))
    ]


def languages(known: Known) -> str:
    return ", ".join(
        sorted({code for one in known.training if one.card for code in one.card.lingshu.language})
    )


def splits(known: Known) -> Rows:
    """Samples of each task in each split, corpus by corpus."""
    rows = [
        (made.stage.name, task, *(f"{counts.get(split, 0):,}" for split in _splits(known)))
        for made in known.corpora
        for task, counts in sorted(_table(made.results.get("tasks")).items())
        if isinstance(counts, dict)
    ]
    return (("Corpus", "Task", *_splits(known)), *rows) if rows else ()


def _splits(known: Known) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(split for made in known.corpora for split in _table(made.results.get("splits")))
    )


def left_out(known: Known) -> tuple[str, ...]:
    """Rows that are not in the corpora, or not whole, with reason and number; what training left out beyond them."""
    found: list[str] = []
    for made in known.view.manifests:
        name, results = made.stage.name, made.results
        for key, title in (("refused", "refused"), ("dropped", "withdrawn by curation")):
            counts = _counts(results.get(key))
            found += [f"{name}: {title}: {counts}"] if counts else []
        gone = withdrawn.said(made.stage.withdrawn)
        found += [f"{name}: consent to {gone} was withdrawn; they teach nothing"] if gone else []
        long = results.get("left_out_as_too_long")
        found += [f"{name}: left out as too long: {long:,}"] if isinstance(long, int) and long else []
        for key, title in (("skipped", "left out by the card"), ("notes", "kept and not whole")):
            tables = _table(results.get(key))
            found += [
                f"{name}: {title}: {card}: {_counts(counts)}" for card, counts in tables.items() if counts
            ]
    return tuple(found) or (("No row was refused, skipped or withdrawn.",) if known.corpora else ())


def prepared(known: Known) -> tuple[str, ...]:
    """What is done to every picture and every text before training."""
    sizes = sorted(
        {str(made.results["max_pixels"]) for made in known.corpora if "max_pixels" in made.results}
    )
    return (
        (
            "Every row is read through one door that checks its fields, its answer and its pictures; a row that fails is "
            "refused and counted. A picture is stored once, by its hash, without its metadata, and reduced where it has more "
            f"than the model takes ({', '.join(sizes)} pixels); texts that hold a control token of the model are refused.",
            *left_out(known),
        )
        if known.corpora
        else ()
    )


def written_by_rule(known: Known) -> tuple[str, ...]:
    """Corpora whose questions were made from labels, and how many of each task."""
    found = []
    for made in known.corpora:
        asked = _table(made.stage.config.get("questions"))
        if asked:
            found.append(
                f"{made.stage.name}: questions and answers are written by fixed rules from the labels, masks and outlines of "
                f"the cards, not by a model: {', '.join(asked)}."
            )
    return tuple(found)


def answers_of_publishers(known: Known) -> str:
    """What counts as right where rows are read as they stand."""
    read = any(not _table(made.stage.config.get("questions")) for made in known.corpora)
    return "Of rows that are read as they stand, the publisher's answer counts as right." if read else ""


def problems(sources_: Iterable[Source]) -> tuple[str, ...]:
    """The known faults of each set, as its card lists them."""
    return tuple(
        f"{one.name}: {'; '.join(one.card.lingshu.problems)}."
        for one in sources_
        if one.card and one.card.lingshu.problems
    )


def quoted(sources_: Iterable[Source], words: str) -> tuple[str, ...]:
    """Sentences of the cards' own text with one of the words. What a card says is its author's word, and is marked as such."""
    found = []
    for one in sources_:
        said = [
            line
            for line in sentences(one.card.body if one.card else "")
            if re.search(words, line, re.IGNORECASE)
        ]
        if said:
            more = f" (and {len(said) - _NAMED} sentences more in the card)" if len(said) > _NAMED else ""
            found.append(f"The card {one.name} says: {' '.join(said[:_NAMED])}{more}")
    return tuple(found)


def silent(sources_: Iterable[Source], words: str) -> str:
    """The sets whose cards say nothing with these words."""
    return names(
        one for one in sources_ if not re.search(words, one.card.body if one.card else "", re.IGNORECASE)
    )


def sentences(body: str) -> list[str]:
    """Of a card's Markdown: without headings, blocks, and the bold words that begin a paragraph."""
    text = re.sub(r"```.*?```", " ", body, flags=re.DOTALL)
    paragraphs = (
        part for part in re.split(r"\n\s*\n", text) if not part.lstrip().startswith(("#", "|", "-"))
    )
    plain = (" ".join(re.sub(r"\*\*[^*]+\.\*\*", " ", part).split()) for part in paragraphs)
    return [line for part in plain for line in _SENTENCE.split(part) if line]


def obtained(known: Known) -> Mapping[str, str]:
    """The day on which the data of a card was downloaded, where its folder is here and says so."""
    found: dict[str, str] = {}
    for made in known.corpora:
        for one in known.training:
            folder = one.card.folder(Path(made.stage.data_root)) if one.card else None
            record = fetched.read(folder) if folder and folder.is_dir() else None
            if record and one.name in record.cards:
                found[one.name] = record.date
    return found


def by_address(sources_: Iterable[Source]) -> tuple[Source, ...]:
    """Sets that publish web addresses in the place of pictures: who fetched them has to say how."""
    return tuple(one for one in sources_ if one.card and one.card.lingshu.format == ADDRESSES)


def years(sources_: Iterable[Source]) -> str:
    """The years in which the sets were published."""
    found = sorted({one.card.lingshu.year for one in sources_ if one.card and one.card.lingshu.year})
    return f"{found[0]} to {found[-1]}" if len(found) > 1 else "".join(str(year) for year in found)


def totals(known: Known, key: str) -> Counter[str]:
    """Counts by name that corpora told, added up."""
    found: Counter[str] = Counter()
    for made in known.corpora:
        for name, number in _table(made.results.get(key)).items():
            if isinstance(number, int):
                found[name] += number
    return found


def tasks(known: Known) -> tuple[str, ...]:
    """The tasks of every corpus."""
    return tuple(dict.fromkeys(task for made in known.corpora for task in _table(made.results.get("tasks"))))


def _table(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _counts(value: JsonValue) -> str:
    """`ct 5,011, mri 4,186`; the largest first."""
    named = [(name, number) for name, number in _table(value).items() if isinstance(number, int)]
    return ", ".join(
        f"{name or 'none stated'} {number:,}" for name, number in sorted(named, key=lambda one: -one[1])
    )
