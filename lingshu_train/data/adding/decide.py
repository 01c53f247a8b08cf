"""What the rows and pictures themselves decide of a proposal: window, division, counts; and the lines that say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pydantic import JsonValue

from lingshu_train.data.adding import card, division, looks, survey
from lingshu_train.data.adding.card import Decided
from lingshu_train.data.adding.classes import modality_of
from lingshu_train.data.adding.looks import Looks
from lingshu_train.data.adding.proposal import ALL, Proposal
from lingshu_train.data.adding.survey import Survey
from lingshu_train.data.adding.told import Told
from lingshu_train.data.images.windows import SPREAD
from lingshu_train.errors import DataError
from lingshu_train.naming import file_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A proposal with all that a card needs, and what the user is told of it, label and text."""

    proposal: Proposal
    decided: Decided
    said: tuple[tuple[str, str], ...]
    samples: tuple[str, ...]

    @property
    def judged(self) -> bool:
        """Whether a rule can judge some of the answers."""
        return bool(set(self.decided.types) - {"free"})


def decide(proposal: Proposal, told: Told) -> Decision:
    """Read every row once and look at some pictures. DataError: no row can be read, or nothing can be held out."""
    found = survey.survey(card.draft(proposal, Decided()), proposal.root)
    if not found.total:
        raise DataError(found.faults[0] if found.faults else f"{proposal.root}: no row was found")
    seen = looks.look(found.pictures)
    known = _with_modality(proposal, seen)
    if known.fields != proposal.fields:  # It is asked about, too.
        found = survey.survey(card.draft(known, Decided()), known.root)
    proposal = known
    window = _window(told, seen)
    rows: Mapping[str, int] = found.rows
    rule = None
    if ALL in proposal.files:
        what = "patient" if proposal.grouped else "picture"
        divided = division.divide(found.groups(ALL), held_out=told.held_out, what=what)
        rule, rows = divided.rule, divided.rows
    decided = Decided(
        divide=rule,
        rows=rows,
        types=sorted(found.types),
        window=window,
        sha256=_sha256(proposal),
    )
    said = (*proposal.said, *_lines(proposal, decided, found, seen, told))
    return Decision(proposal=proposal, decided=decided, said=said, samples=tuple(survey.lines(found)))


def _with_modality(proposal: Proposal, seen: Looks) -> Proposal:
    word = proposal.modality or seen.modality
    fields = dict(proposal.fields)
    if proposal.format == "labelled_images" and (named := modality_of(proposal, seen.modality)):
        fields["modality"] = named
    return replace(proposal, modality=word, fields=fields)


def _window(told: Told, seen: Looks) -> JsonValue:
    given = told.shown()
    if given is None:
        return SPREAD if seen.deep else None
    return given if isinstance(given, str) else list(given)


def _sha256(proposal: Proposal) -> str:
    patterns = set(proposal.files.values())
    pattern = next(iter(patterns))
    path = proposal.root / pattern
    return file_digest(path) if len(patterns) == 1 and path.is_file() else ""


def _lines(
    proposal: Proposal, decided: Decided, found: Survey, seen: Looks, told: Told
) -> Iterator[tuple[str, str]]:
    """Patients, rows, answers, pictures, window and splits, a line each."""
    group = proposal.fields.get("group") or proposal.fields.get("patient")
    whose = {key for split in found.whose.values() for key in split}
    if group:
        yield "patient", f"{group}: {len(whose):,} of them, and none is in two splits"
    elif ALL in proposal.files and seen.total:
        more = f"; the headers name {seen.patients} patients" if seen.patients else ""
        yield (
            "patient",
            f"not known{more}: near-identical pictures of one patient may lie in two splits (--patient)",
        )
    stated = "stated" if {"answer_type", "answer_type_column"} & proposal.fields.keys() else "guessed"
    if proposal.format == "labelled_images":
        stated = "made from the labels"
    counts = ", ".join(f"{kind} {count:,}" for kind, count in found.types.most_common())
    yield "answers", f"{found.total:,}: {counts} ({stated}; --answer-type sets one for all)"
    if not set(found.types) - {"free"}:
        yield "", "free text is learned from; no rule can judge it, so that nothing is evaluated"
    if proposal.language not in ("en", "zh"):
        yield (
            "language",
            f"{proposal.language}: answers are compared as text; rules for yes and no know English and Chinese",
        )
    for number, line in enumerate(seen.lines()):
        yield "" if number else "pictures", line
    for line in seen.faults[:3]:
        yield "", line
    if found.absent:
        yield (
            "missing",
            f"{found.absent:,} rows name a picture that is not there; the first: {found.faults[0]}",
        )
    if found.unread:
        yield "unread", f"{found.unread:,} rows cannot be read; the first: {found.faults[0]}"
    if decided.window is not None:
        why = (
            ""
            if told.window
            else f", since {seen.deep:,} have more than 8 bits and state none (--window says another)"
        )
        yield "window", f"{decided.window}{why}"
    shares = ", ".join(f"{split} {count:,}" for split, count in decided.rows.items())
    yield "splits", shares + (" (drawn)" if decided.divide else " (as the data says)")
    if not proposal.modality and "modality" not in proposal.fields:
        yield "modality", "not known; --modality says it"
