"""What the columns of a table mean: by their names, and by what stands in them. What cannot be told is left open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lingshu_train.data.adding import names
from lingshu_train.data.adding.names import Role
from lingshu_train.data.rows import answers
from lingshu_train.errors import UsageError

CHATS = ("conversations", "messages", "conversation", "conversatons", "dialog", "dialogue")
"""Columns of whole conversations: LLaVA and ShareGPT, OpenAI, LLaMA-Factory and ms-swift."""
FOUND = 0.5
"""Share of a column's values that are pictures on disk, from which it is a column of pictures."""
FEW = 0.5
"""Labels repeat: at most this share of a column's values are different ones, in a table of some rows."""
LETTERS = "ABCDEFGHIJ"

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns by role, empty where there is none. `options`: one column of lists, or one column per option.

    `several`: roles for which more than one column fits equally well, with those columns; nothing is chosen for them.
    """

    image: tuple[str, ...] = ()
    question: str = ""
    answer: str = ""
    options: tuple[str, ...] = ()
    id: str = ""
    patient: str = ""
    split: str = ""
    modality: str = ""
    answer_type: str = ""
    chat: str = ""
    several: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the user says of columns; empty where nothing is said."""

    image: str = ""
    question: str = ""
    answer: str = ""
    options: tuple[str, ...] = ()
    patient: str = ""
    split: str = ""

    def check(self, columns: Sequence[str]) -> None:
        """UsageError names a column that is not there, and those that are."""
        given = [
            ("image", self.image),
            ("question", self.question),
            ("answer", self.answer),
            ("patient", self.patient),
        ]
        for flag, name in (*given, ("split", self.split), *(("options", one) for one in self.options)):
            if name and name not in columns:
                raise UsageError(f"--{flag} {name}: no such column; there are: {', '.join(columns)}")


def understand(
    columns: Sequence[str], rows: Sequence[Row], told: Told, pictures: Callable[[str], float], *, ask: bool
) -> Columns:
    """The columns by role. `pictures`: of a column, the share of its values that are pictures on disk or bytes of some.

    `ask`: one question for every row is given, so that no column of questions is looked for.
    """
    told.check(columns)
    image, several = _images(columns, rows, told, pictures)
    chat = next((name for name in columns if name in CHATS and _is_chat(rows, name)), "")
    free = [name for name in columns if name not in image and name != chat]
    if chat:
        patient, more = _one("patient", free, told.patient)
        return Columns(image=image, chat=chat, patient=patient, several={**several, **more})
    patient, more = _one("patient", free, told.patient)
    several |= more
    split = told.split or _split([one for one in free if one != patient], rows)
    kind = _answer_type(free, rows)
    taken = {patient, split, kind}
    options = told.options or _options([one for one in free if one not in taken], rows)
    taken |= set(options)
    modality = _one("modality", [one for one in free if one not in taken])[0]
    texts = [one for one in free if one not in {*taken, modality}]
    question = "" if ask and not told.question else _question(texts, rows, told, several)
    answer = _answer([one for one in texts if one != question], rows, told, several, labels=not question)
    rest = [one for one in texts if one not in (question, answer)]
    return Columns(
        image=image, question=question, answer=answer, options=options, patient=patient, split=split,
        modality=modality, answer_type=kind, id=_one("id", rest)[0], several=several,
    )  # fmt: skip


def values(rows: Sequence[Row], name: str) -> list[str]:
    """What stands in a column, as text without space around it; nothing where a cell is empty or no text."""
    found = (row.get(name) for row in rows)
    texts = (str(value).strip() for value in found if isinstance(value, str | int | float) and value == value)
    return [text for text in texts if text]


def _images(
    columns: Sequence[str], rows: Sequence[Row], told: Told, pictures: Callable[[str], float]
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Columns of pictures: what lies on disk decides, then the names. Numbered ones (image1, image2) belong together."""
    if told.image:
        return (told.image,), {}
    shares = {name: pictures(name) for name in columns}
    there = [name for name in columns if shares[name] >= FOUND]
    if not there:
        there = [name for name in columns if names.meant("image", name) == 2 and values(rows, name)]
        if not there and any(shares.values()):
            there = [max(columns, key=lambda name: shares[name])]
    if len(there) < 2 or len({names.spelt(name).rstrip("0123456789 ") for name in there}) == 1:
        return tuple(there), {}
    best = max(names.meant("image", name) for name in there)
    named = [name for name in there if names.meant("image", name) == best]
    return (tuple(named), {}) if len(named) == 1 else ((), {"image": tuple(there)})


def _one(role: Role, columns: Sequence[str], told: str = "") -> tuple[str, dict[str, tuple[str, ...]]]:
    """The column that fits a role best by its name; none, and all of them, where several fit as well."""
    if told:
        return told, {}
    for fit in (2, 1):
        found = tuple(name for name in columns if names.meant(role, name) == fit)
        if len(found) == 1:
            return found[0], {}
        if found:
            return "", {role: found}
    return "", {}


def _question(
    columns: Sequence[str], rows: Sequence[Row], told: Told, several: dict[str, tuple[str, ...]]
) -> str:
    name, more = _one("question", columns, told.question)
    if name or more:
        several |= more
        return name
    asking = [
        name for name in columns if _share(values(rows, name), lambda text: text.endswith(("?", "？"))) > FEW
    ]
    if len(asking) > 1:
        several["question"] = tuple(asking)
    return asking[0] if len(asking) == 1 else ""


def _answer(
    columns: Sequence[str],
    rows: Sequence[Row],
    told: Told,
    several: dict[str, tuple[str, ...]],
    *,
    labels: bool,
) -> str:
    """The column of answers; without questions that of labels or reports will do."""
    roles: tuple[Role, ...] = ("answer", "label", "report")
    for role in roles:
        name, more = _one(role, columns, told.answer)
        if name and (role == "answer" or told.answer or labels or not several.get("answer")):
            return name
        if more:
            several["answer"] = more[role]
            return ""
    return ""


def _options(columns: Sequence[str], rows: Sequence[Row]) -> tuple[str, ...]:
    """One column of options, or a column for each: A, B, C, D; option_a ...; Choice A."""
    name, _ = _one("options", columns)
    if name and not names.spelt(name).endswith(tuple(f" {letter.lower()}" for letter in LETTERS)):
        return (name,)
    ends = {names.spelt(name).split()[-1]: name for name in columns if names.spelt(name)}
    found = tuple(ends[letter] for letter in LETTERS.lower() if letter in ends)
    run = found[
        : next((place for place, letter in enumerate(LETTERS.lower()) if letter not in ends), len(LETTERS))
    ]
    return run if len(run) > 1 else ()


def _split(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """A column whose every value is a word for a split; its name alone says too little."""
    for name in columns:
        found = Counter(names.spelt(value) for value in values(rows, name))
        if len(found) > 1 and set(found) <= set(names.SPLITS):
            return name
    return ""


def _answer_type(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """A column of types of answers, where every value is one that is known here."""
    for name in columns:
        found = values(rows, name)
        if names.meant("answer_type", name) and found and all(answers.stated(value) for value in found):
            return name
    return ""


def _is_chat(rows: Sequence[Row], name: str) -> bool:
    """Whether the column holds lists of messages."""
    cells = (row.get(name) for row in rows)
    return any(isinstance(cell, list) and cell and isinstance(cell[0], Mapping) for cell in cells)


def _share(texts: Sequence[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, texts)) / len(texts) if texts else 0.0
