"""A request to a teacher: the body that a server is sent, and the hash that it is remembered by."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pydantic import JsonValue

from lingshu_train.naming import digest

_SIDE = 28
"""Pixels of a side that are one token, about: enough for a forecast."""
_BYTES = 4
"""Bytes of English text that are one token, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture that goes along. `ref` says which it is in place of its bytes: the sha256 of a stored file, or how it was made
    of one; `load` gives its file, when it is sent."""

    ref: str
    load: Callable[[], bytes]
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a teacher is asked. `step`: which request of a pipeline it is. `draw`: the number of this draw, where one is asked
    several times. `said` and `complaint`: an earlier reply that is handed back, and what is wrong with it."""

    step: str
    system: str
    text: str
    pictures: tuple[Picture, ...] = ()
    schema: Mapping[str, JsonValue] | None = None
    max_tokens: int
    temperature: float = 0.0
    draw: int = 0
    said: str = ""
    complaint: str = ""

    def handed_back(self, said: str, complaint: str) -> Ask:
        return replace(self, said=said, complaint=complaint)

    @property
    def about(self) -> int:
        """Tokens that are sent, about."""
        text = len((self.system + self.text + self.said + self.complaint).encode()) // _BYTES
        return text + sum(-(-one.width // _SIDE) * -(-one.height // _SIDE) for one in self.pictures)


def key(ask: Ask, *, model: str, revision: str) -> str:
    """What determines the reply, as far as anybody can tell. How it is held to its form is left out: that is found out."""
    return digest(
        {
            "model": model,
            "revision": revision,
            "messages": _messages(ask, lambda one: one.ref),
            "schema": digest(ask.schema) if ask.schema is not None else "",
            "max_tokens": ask.max_tokens,
            "temperature": _number(ask.temperature),
            "draw": ask.draw,
        }
    )


def body(ask: Ask, *, model: str, structured: str) -> dict[str, JsonValue]:
    """What is sent."""
    found: dict[str, JsonValue] = {
        "model": model,
        "messages": _messages(ask, _data_url),
        "temperature": _number(ask.temperature),
        "max_tokens": ask.max_tokens,
        "seed": ask.draw,
    }
    if ask.schema is not None and structured == "json_schema":
        form: JsonValue = {"name": ask.step, "schema": dict(ask.schema), "strict": True}
        found["response_format"] = {"type": "json_schema", "json_schema": form}
    elif ask.schema is not None and structured == "json_object":
        found["response_format"] = {"type": "json_object"}
    return found


def line(name: str, ask: Ask, *, model: str, structured: str) -> bytes:
    """What stands for it in the file of a batch."""
    told = {
        "custom_id": name,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": body(ask, model=model, structured=structured),
    }
    return sent(told) + b"\n"


def sent(told: object) -> bytes:
    """As it goes over the line, keys in their order: a server that holds a model to a schema has it write the values in the
    order of the keys, the reasoning before the answer."""
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _messages(ask: Ask, shown: Callable[[Picture], str]) -> list[JsonValue]:
    content: list[JsonValue] = [
        {"type": "image_url", "image_url": {"url": shown(one)}} for one in ask.pictures
    ]
    asked: JsonValue = [*content, {"type": "text", "text": ask.text}] if content else ask.text
    found: list[JsonValue] = [
        {"role": "system", "content": ask.system},
        {"role": "user", "content": asked},
    ]
    if ask.complaint:
        found += [{"role": "assistant", "content": ask.said}, {"role": "user", "content": ask.complaint}]
    return found


def _data_url(picture: Picture) -> str:
    data = picture.load()
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _number(value: float) -> JsonValue:
    """0 for 0.0: one request has one hash however its numbers were written."""
    return int(value) if value == int(value) else value


def once(load: Callable[[], bytes]) -> Callable[[], bytes]:
    """The same, done at most once."""
    return functools.cache(load)
