"""A paper as a form: the items that its template lists, each with what the run tells of it or what a person must write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, Protocol

from lingshu_train.errors import DataError

if TYPE_CHECKING:
    from lingshu_train.papers._known import Known

Status = Literal["told", "in part", "to be written", "does not apply"]
Rows = tuple[tuple[str, ...], ...]
HEADS = ("Key", "No.", "Item", "To be written by a person")
"""The columns of every table of a template."""
_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a run tells of one item.

    `lines` are plain text; `table` has its heads first; `where`: where in what the run left it stands in full. `asks`: whether
    what the template asks of a person is still to be written; `gaps`: what else is. `absent`: why the item does not apply.
    """

    lines: tuple[str, ...] = ()
    table: Rows = ()
    where: tuple[str, ...] = ()
    asks: bool = False
    gaps: tuple[str, ...] = ()
    absent: str = ""


def told(*lines: str, table: Rows = (), where: tuple[str, ...] = ()) -> Answer:
    """The run knows all of it. Where it turns out to know nothing, a person is asked."""
    some = tuple(line for line in lines if line)
    known = bool(some or table)
    return Answer(lines=some, table=table, where=where if known else (), asks=not known)


def partly(*lines: str, table: Rows = (), where: tuple[str, ...] = (), gaps: tuple[str, ...] = ()) -> Answer:
    """The run knows some of it, and a person the rest: what `gaps` say, or else what the template asks."""
    some = tuple(line for line in lines if line)
    return Answer(lines=some, table=table, where=where if some or table else (), gaps=gaps, asks=not gaps)


def absent(why: str) -> Answer:
    """The item does not apply to this run, and the run itself shows why."""
    return Answer(absent=why)


ASKED = Answer(asks=True)
"""The run knows nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One field of a form. `asks`: what a person has to write where the run does not know it."""

    key: str
    number: str
    label: str
    asks: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading of the form, of level 2 and below, and the items under it."""

    level: int
    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A form as its publisher has it: its title, what it is and where it comes from, its items in order."""

    title: str
    about: tuple[str, ...]
    sections: tuple[Section, ...]

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(item for section in self.sections for item in section.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """An item with its answer."""

    item: Item
    answer: Answer

    @property
    def gaps(self) -> tuple[str, ...]:
        """What a person must still write."""
        return (*((self.item.asks,) if self.answer.asks else ()), *self.answer.gaps)

    @property
    def status(self) -> Status:
        known = bool(self.answer.lines or self.answer.table)
        if self.answer.absent:
            return "does not apply"
        if self.gaps:
            return "in part" if known else "to be written"
        return "told"


class Form(Protocol):
    """A file of papers/ with a template of its name."""

    def answers(self, known: Known) -> Mapping[str, Answer]:
        """By the template's keys. A key that is left out is asked of a person."""
        ...


def of(found: ModuleType) -> Form | None:
    """A paper as a form; None where it is none."""
    return found if hasattr(found, "answers") else None


def template(found: ModuleType) -> Template:
    """The template of a paper, which lies beside its file: `templates/NAME.md`. DataError names the line that is off."""
    path = Path(str(found.__file__)).parent / "templates" / f"{found.__name__.rpartition('.')[2]}.md"
    if not path.is_file():
        raise DataError(f"{path}: missing; a paper that has answers has a template of its name")
    return read(path)


def read(path: Path) -> Template:
    """A Markdown file: `# title`, paragraphs about the form, then headings with tables of the four columns of HEADS."""
    title, about = "", [""]
    sections: list[tuple[int, str, list[Item]]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{path}:{number}"
        if line.startswith("## ") or line.startswith("### ") or line.startswith("#### "):
            marks, _, name = line.partition(" ")
            sections.append((len(marks), name.strip(), []))
        elif line.startswith("# "):
            title = line[2:].strip()
        elif line.startswith("|"):
            if not sections:
                raise DataError(f"{where}: a table before the first heading (## ...)")
            item = _item(line, where=where)
            sections[-1][2].extend([item] if item else [])
        elif not sections:
            about[-1] = f"{about[-1]} {line.strip()}".strip()
            about += [""] if not line.strip() and about[-1] else []
        elif line.strip():
            raise DataError(f"{where}: below a heading stand tables alone: | {' | '.join(HEADS)} |")
    if not title or not sections:
        raise DataError(f"{path}: has no title (# ...) or no section (## ...)")
    made = Template(
        title=title,
        about=tuple(text for text in about if text),
        sections=tuple(
            Section(level=level, title=name, items=tuple(items)) for level, name, items in sections
        ),
    )
    keys = [item.key for item in made.items]
    for key in (key for key in keys if keys.count(key) > 1):
        raise DataError(f"{path}: the key {key!r} stands twice")
    return made


def _item(line: str, *, where: str) -> Item | None:
    """A row of a table; None for the two lines of its head."""
    cells = [cell.strip().replace("\\|", "|") for cell in _CELL.split(line.strip())[1:-1]]
    if len(cells) != len(HEADS):
        raise DataError(
            f"{where}: has {len(cells)} cells; a template's tables have {len(HEADS)}: {', '.join(HEADS)}"
        )
    if tuple(cells) == HEADS or set("".join(cells)) <= {"-", ":"}:
        return None
    key, number, label, asks = cells
    if not key or not label or not asks:
        raise DataError(f"{where}: an item needs a key, a text, and what a person would have to write")
    return Item(key=key, number=number, label=label, asks=asks)


def fill(made: Template, answers: Mapping[str, Answer], *, name: str) -> tuple[Filled, ...]:
    """Every item of the template, answered or asked. DataError where an answer belongs to no item: then the two files of the
    paper do not fit together, and something that was meant to be told would be lost."""
    unknown = sorted(set(answers) - {item.key for item in made.items})
    if unknown:
        raise DataError(f"papers/{name}: answers {', '.join(unknown)}, which its template does not list")
    return tuple(Filled(item=item, answer=answers.get(item.key, ASKED)) for item in made.items)
