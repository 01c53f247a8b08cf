"""Where a row holds its dialogue, in the spellings that there are, and the messages of it as records."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lingshu_train.data.rows.line import Line, missing

CHATS = ("conversations", "messages", "conversation", "conversatons", "dialog", "dialogue")
"""Keys of a list of messages (LLaVA and ShareGPT, OpenAI, and as LLaVA-Med spells it)."""
IMAGES = ("image", "images", "image_path", "image_paths", "img")
"""Keys of one picture or several."""
PAIRS = (("query", "response"), ("instruction", "output"), ("prompt", "completion"), ("prompt", "response"))
"""Keys of the last question and its answer, where no list of messages holds them (ms-swift, alpaca, TRL)."""
UNREAD = {
    "videos": "<video>",
    "video": "<video>",
    "audios": "<audio>",
    "audio": "<audio>",
    "objects": "<bbox>",
}
"""Keys of what no model here is shown, and its mark in a text."""
_MARK = re.compile(r"<(?:video|audio|bbox|ref-object)>")


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The messages as they stand, and the `field` that errors name."""

    field: str
    messages: tuple[object, ...]


def key(line: Line, name: str, known: Sequence[str]) -> str:
    """The key that a row has: `name`, or where the card leaves it at the first of `known`, and the row has nothing under it,
    the only other one of these that holds something. DataError: two do.
    """
    if name != known[0] or _holds(line, name):
        return name
    there = [one for one in known if _holds(line, one)]
    if len(there) > 1:
        raise line.error(there[0], f"stands beside {', '.join(there[1:])}; say in the card which is meant")
    return there[0] if there else name


def find(line: Line, name: str) -> Dialogue:
    """The dialogue of a row: a list of messages under `name`, or a question with its answer, and those before in `history`."""
    field = key(line, name, CHATS)
    for unread, mark in UNREAD.items():
        if unread != "objects" and _holds(line, unread):
            raise line.error(unread, f"is not read ({mark}): a model here is shown text and pictures alone")
    pair = next((pair for pair in PAIRS if all(one in line.values for one in pair)), None)
    if field not in line.values and name == CHATS[0] and pair:
        return _of_pair(line, *pair)
    return Dialogue(field, tuple(_list(line, field)))


def check(line: Line, field: str, text: str) -> None:
    """DataError: the text gives a place to a video, a sound or an object, which nobody would put there."""
    mark = _MARK.search(text)
    if mark and (mark[0] in ("<video>", "<audio>") or _holds(line, "objects")):
        raise line.error(
            field, f"{mark[0]} stands for what is not read: a model here is shown text and pictures alone"
        )


def _of_pair(line: Line, question: str, answer: str) -> Dialogue:
    if isinstance(line.nested(question), list):
        return Dialogue(question, (*_list(line, question), *_list(line, answer)))
    asked = [line.text(question), *([line.optional("input")] if question == "instruction" else [])]
    messages: list[object] = []
    for number, turn in enumerate(_list(line, "history") if _holds(line, "history") else [], start=1):
        if not isinstance(turn, list | tuple) or len(turn) != 2:
            raise line.error("history", f"turn {number} must be a question and its answer")
        texts = [line.written("history", text, place=f"turn {number}") for text in turn]
        messages += _turn(*texts)
    messages += _turn("\n".join(filter(None, asked)), line.text(answer))
    return Dialogue(question, tuple(messages))


def _turn(question: str, answer: str) -> list[object]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _list(line: Line, field: str) -> list[object]:
    """The messages of a field: a list, also where a table holds it as text, or a record of lists (which Arrow makes of it)."""
    value = line.nested(field)
    if isinstance(value, Mapping) and value and all(isinstance(one, list) for one in value.values()):
        columns = [list(one) for one in value.values()]
        if len({len(column) for column in columns}) == 1:
            return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    if not isinstance(value, list):
        raise line.absent(field) if missing(value) else line.error(field, "must be a list of messages")
    return value


def _holds(line: Line, field: str) -> bool:
    value = line.values.get(field)
    return not missing(value) and value not in ("", [], (), {})
