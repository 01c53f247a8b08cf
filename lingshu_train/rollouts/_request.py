"""A prompt as the body of an OpenAI-compatible request for a chat completion."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from pydantic import JsonValue

from lingshu_train.record import Prompt, Sampling
from lingshu_train.rollouts._engine import seed_of

if TYPE_CHECKING:
    from PIL.Image import Image


def body(prompt: Prompt, sampling: Sampling, *, model: str, token_ids: bool) -> dict[str, JsonValue]:
    """The request. What a setting leaves as servers have it by themselves is not in it, so that equal ones have one hash."""
    found: dict[str, JsonValue] = {
        "model": model,
        "messages": _messages(prompt),
        "temperature": _number(sampling.temperature),
        "max_tokens": sampling.max_tokens,
        "seed": seed_of(prompt, sampling),
    }
    if sampling.top_p != 1:
        found["top_p"] = sampling.top_p
    if sampling.n != 1:
        found["n"] = sampling.n
    if sampling.stop:
        found["stop"] = list(sampling.stop)
    if sampling.log_probs:
        found["logprobs"] = True
    if token_ids:
        found["return_token_ids"] = True
    return found


def _messages(prompt: Prompt) -> list[JsonValue]:
    """The messages with the pictures at their marks."""
    pictures = iter(prompt.pictures())
    found: list[JsonValue] = []
    for message in prompt.messages:
        content: JsonValue
        if isinstance(message["content"], str):
            content = message["content"]
        else:
            content = [
                {"type": "text", "text": part["text"]}
                if part["type"] == "text"
                else {"type": "image_url", "image_url": {"url": _data_url(next(pictures))}}
                for part in message["content"]
            ]
        found.append({"role": message["role"], "content": content})
    assert next(pictures, None) is None, f"prompt {prompt.id} has more pictures than marks"
    return found


def _data_url(picture: Image) -> str:
    """PNG, which changes no pixel."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _number(value: float) -> JsonValue:
    """0 for 0.0: one request has one hash however its numbers were written."""
    return int(value) if value == int(value) else value
