"""One message of a conversation: who says it, its text, and the pictures that stand in it, in the spellings that there are."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from lingshu_train.data.rows.line import Line
from lingshu_train.record import IMAGE_MARK

TEXTS = ("text", "input_text", "output_text")
PICTURES = ("image", "image_url", "input_image")
"""Types of the parts of a message's content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`text` has an IMAGE_MARK where a picture stands. `pictures`: cells of those that the message itself holds, names of files
    or bytes."""

    role: str
    text: str
    pictures: tuple[str | bytes, ...] = ()


def message(line: Line, field: str, item: object, *, roles: Mapping[str, str]) -> Message:
    """A message of `{from, value}` (LLaVA, ShareGPT) or `{role, content}`, whose content is a text or a list of parts.

    `roles`: a speaker's name -> its role. Parts stand in lines of their own, pictures excepted.
    """
    if not isinstance(item, Mapping):
        raise line.error(field, f"a message must be a record, got {type(item).__name__}")
    speaker, content = item.get("from", item.get("role")), item.get("value", item.get("content"))
    if not isinstance(speaker, str) or speaker not in roles:
        raise line.error(field, f"unknown speaker {speaker!r}; known: {', '.join(roles)}")
    if isinstance(content, str):
        return Message(role=roles[speaker], text=content.strip())
    if not isinstance(content, list) or not content:
        raise line.error(field, f"the message of {speaker} has no text")
    text, pictures = "", list[str | bytes]()
    for part in content:
        kind, piece = _kind(line, field, speaker, part)
        if kind in TEXTS:
            apart = "\n" if text and piece.strip() and not text.endswith(IMAGE_MARK) else ""
            text += apart + piece.strip()
        else:
            text += IMAGE_MARK
            pictures += _cell(line, field, piece)
    return Message(role=roles[speaker], text=text, pictures=tuple(pictures))


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
    except ValueError as fault:
        raise line.error(field, f"a picture in a data address is no base64: {fault}") from None
