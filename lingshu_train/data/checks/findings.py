"""What a check has found, line by line as it comes, and the report that is made of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lingshu_train import vocabulary

SHOWN = 20
"""Lines of one kind in one split that are shown; the others are counted."""
Tables = dict[str, Counter[str]]
"""Split -> word -> rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found, each a line.

    `problems`: the card or its files are wrong, or more rows are refused than `most_refused` lets pass. `leaks`: a patient or
    a picture in two splits. Either makes the check fail. `refused`: rows that `prepare` would put aside. `known`: overlaps
    that the card itself declares. `unknown`: modalities that the vocabulary has no word for, with the rows that have them;
    they are kept, and no recipe can name them. `answers`: of each split, how many are of which type, stated or guessed.
    `skipped`: rows that the card leaves out itself, `notes`: rows that are kept and not whole, by reason. `differs`: what is
    not as the card states, where that is no fault of the data, or what to do about it; `missing`: rows of a part of the set
    whose picture is not in it. `card`: what the card should tell people and does not. `absent`: the data, or a file of a
    split, is not on this machine, and nothing else is wrong. `layout`: of a card that knows several layouts of its data, which
    was read. `otherwise`: how the data lies and what it calls its keys, where that is not what the card says.
    """

    problems: tuple[str, ...]
    leaks: tuple[str, ...]
    refused: tuple[str, ...]
    known: tuple[str, ...]
    unknown: tuple[str, ...]
    answers: tuple[str, ...]
    skipped: tuple[str, ...]
    notes: tuple[str, ...]
    differs: tuple[str, ...]
    missing: tuple[str, ...]
    card: tuple[str, ...]
    counts: dict[str, int]
    absent: bool
    layout: str = ""
    otherwise: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What was looked at, and how many problems there are."""
        names = {
            "rows": "row",
            "answers verified": "answer verified",
            "pictures": "picture",
            "decoded": "decoded",
        }
        seen = [f"{count:,} {names[name] if count == 1 else name}" for name, count in self._counted(names)]
        seen += [f"{count:,} {name}" for name, count in self._counted(("skipped", "refused")) if count]
        count = self.counts.get("problems", 0)
        found = f"{count:,} problem{'s' * (count != 1)}" if count else ""
        return ", ".join([*seen, found or ("no problem" if self.counts.get("refused") else "whole")])

    def told(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Every line, by the word that stands before it."""
        return (
            ("", self.problems),
            ("leak", self.leaks),
            ("refused", self.refused),
            ("card", self.card),
            ("differs", self.differs),
            ("missing", self.missing),
            ("known", self.known),
            ("unknown", self.unknown),
            ("layout", (*((self.layout,) if self.layout else ()), *self.otherwise)),
            ("answers", self.answers),
            ("skipped", self.skipped),
            ("not whole", self.notes),
        )

    def _counted(self, names: Mapping[str, str] | tuple[str, ...]) -> list[tuple[str, int]]:
        return [] if self.absent else [(name, self.counts.get(name, 0)) for name in names]

    @property
    def exit_code(self) -> int:
        return 66 if self.absent else 65 if self.problems or self.leaks else 0


@dataclass(slots=True)
class Lines:
    """Lines in order; of each kind in each split the first ones, and how many more there were."""

    lines: list[str] = field(default_factory=list)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, line: str, *, kind: str = "", split: str = "") -> None:
        if kind:
            self.kinds[kind, split] += 1
        if not kind or self.kinds[kind, split] <= SHOWN:
            self.lines.append(line)

    def all(self) -> tuple[str, ...]:
        more = (
            f"{split}: {count - SHOWN:,} more {kind}"
            for (kind, split), count in self.kinds.items()
            if count > SHOWN
        )
        return (*self.lines, *more)


@dataclass(slots=True)
class Findings:
    """Lines and counts as they come."""

    problems: Lines = field(default_factory=Lines)
    leaks: Lines = field(default_factory=Lines)
    refused: Lines = field(default_factory=Lines)
    gone: Lines = field(default_factory=Lines)
    known: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    card: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    modalities: Tables = field(default_factory=lambda: defaultdict(Counter))
    answers: Tables = field(default_factory=lambda: defaultdict(Counter))
    skipped: Tables = field(default_factory=lambda: defaultdict(Counter))
    notes: Tables = field(default_factory=lambda: defaultdict(Counter))
    otherwise: Tables = field(default_factory=lambda: defaultdict(Counter))
    placed: list[str] = field(default_factory=list)
    missing: int = 0
    """Problems that only say that a file is not here."""

    def problem(self, line: str, *, missing: bool = False) -> None:
        self.counts["problems"] += 1
        self.missing += missing
        self.problems.add(line)

    def leak(self, line: str, *, kind: str, split: str) -> None:
        self.counts["problems"] += 1
        self.leaks.add(line, kind=kind, split=split)

    def refuse(self, line: str, *, split: str) -> None:
        self.counts["refused"] += 1
        self.refused.add(line, kind="rows that are refused", split=split)

    def lack(self, line: str, *, split: str) -> None:
        """A row of a part of the set whose picture is not in it."""
        self.gone.add(line, kind="rows whose picture is not here", split=split)

    def report(self, *, absent: bool = False) -> Report:
        return Report(
            problems=self.problems.all(),
            leaks=self.leaks.all(),
            refused=self.refused.all(),
            known=tuple(self.known),
            differs=tuple(self.differs),
            missing=self.gone.all(),
            card=tuple(self.card),
            unknown=tuple(
                line for split, counts in self.modalities.items() for line in _unknown(split, counts)
            ),
            answers=_told(self.answers),
            skipped=_told(self.skipped),
            notes=_told(self.notes),
            counts=dict(self.counts),
            otherwise=(*self.placed, *_told(self.otherwise)),
            absent=absent or 0 < self.missing == self.counts["problems"],
        )


def _told(tables: Mapping[str, Counter[str]]) -> tuple[str, ...]:
    """A line for each split that has any."""
    return tuple(
        f"{split}: {', '.join(f'{word} {count:,}' for word, count in counts.most_common())}"
        for split, counts in tables.items()
        if counts
    )


def _unknown(split: str, modalities: Mapping[str, int]) -> Iterator[str]:
    """A line for each of the commonest words that are no modality of the vocabulary, and how many more there are."""
    words = Counter(vocabulary.unknown(modalities)).most_common()
    yield from (f"{split}: modality {word!r} of {count:,} rows" for word, count in words[:SHOWN])
    if len(words) > SHOWN:
        yield f"{split}: {len(words) - SHOWN:,} more modalities"
