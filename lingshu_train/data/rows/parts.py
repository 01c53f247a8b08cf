"""One message of a conversation: who says it, its text, and the pictures that stand in it, in the spellings that there are."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from lingshu_train.data.rows.line import Line

TEXTS = ("text", "input_text", "output_text")
PICTURES = ("image", "image_url", "input_image")
"""Types of the parts of a message's content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`marks`: places in the text at which a picture stands. `pictures`: cells of those that the message itself holds: names
    of files, or bytes."""

    role: str
    text: str
    marks: int
    pictures: tuple[str | bytes, ...] = ()


def message(
    line: Line, field: str, item: object, *, roles: Mapping[str, str], mark: re.Pattern[str]
) -> Message:
    """A message of `{from, value}` (LLaVA, ShareGPT) or `{role, content}`, whose content is a text or a list of parts.

    `roles`: a speaker's name -> its role. `mark` is how a picture's place is written in a text, which is taken out.
    """
    if not isinstance(item, Mapping):
        raise line.error(field, f"a message must be a record, got {type(item).__name__}")
    speaker, content = item.get("from", item.get("role")), item.get("value", item.get("content"))
    if not isinstance(speaker, str) or speaker not in roles:
        raise line.error(field, f"unknown speaker {speaker!r}; known: {', '.join(roles)}")
    if isinstance(content, str):
        bare, marks = mark.subn("", content)
        return Message(role=roles[speaker], text=bare.strip(), marks=marks)
    if not isinstance(content, list) or not content:
        raise line.error(field, f"the message of {speaker} has no text")
    texts: list[str] = []
    marks, pictures = 0, list[str | bytes]()
    for part in content:
        kind, text = _kind(line, field, speaker, part)
        if kind in TEXTS:
            bare, more = mark.subn("", text)
            texts.append(bare.strip())
            marks += more
        else:
            marks += 1
            pictures += _cell(line, field, text)
    return Message(
        role=roles[speaker], text="\n".join(filter(None, texts)), marks=marks, pictures=tuple(pictures)
    )


def _kind(line: Line, field: str, speaker: str, part: object) -> tuple[str, str]:
    """The type of a part, and its text or the address of its picture, empty where that stands elsewhere."""
    if isinstance(part, str):
        return "text", part
    if not isinstance(part, Mapping):
        raise line.error(field, f"a part of a message must be a record, got {type(part).__name__}")
    kind = part.get("type", "text" if "text" in part else "image" if "image" in part else None)
    if kind not in (*TEXTS, *PICTURES):
        raise line.error(
            field, f"a part of {speaker} is of type {kind!r}; known: {', '.join((*TEXTS, *PICTURES))}"
        )
    # Tables of columns give every part every key, those of other types empty.
    value = (
        part.get("text") if kind in TEXTS else next((part[key] for key in _ADDRESSES if part.get(key)), "")
    )
    if isinstance(value, Mapping):
        value = value.get("url") or value.get("path") or ""
    if not isinstance(value, str):
        raise line.error(field, f"a part of {speaker} holds {type(value).__name__} and no text")
    return str(kind), value


_ADDRESSES = ("image_url", "image", "url", "path")


def _cell(line: Line, field: str, address: str) -> list[str | bytes]:
    """The picture that an address names; none where the part is only its place."""
    if not address:
        return []
    head, _, body = address.partition(",")
    if not head.startswith("data:"):
        return [unquote(address.removeprefix("file://")) if address.startswith("file://") else address]
    if not head.endswith(";base64"):
        raise line.error(field, f"a picture in a data address must be base64, got {head[:40]!r}")
    try:
        return [base64.b64decode(body, validate=True)]
    except binascii.Error as fault:
        raise line.error(field, f"a picture in a data address is no base64: {fault}") from None
