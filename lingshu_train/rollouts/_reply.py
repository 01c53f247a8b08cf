"""The reply of an OpenAI-compatible server to a chat completion, read as far as it is used."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict, ValidationError

from lingshu_train.rollouts._engine import Unreadable


class _Part(BaseModel):
    """Servers add keys of their own."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Message(_Part):
    content: str | None = None


class Token(_Part):
    logprob: float


class LogProbs(_Part):
    content: tuple[Token, ...] | None = None


class Choice(_Part):
    """One completion. `token_ids` is vLLM's."""

    index: int = 0
    message: Message
    finish_reason: str | None = None
    logprobs: LogProbs | None = None
    token_ids: tuple[int, ...] | None = None

    @property
    def log_probs(self) -> tuple[float, ...]:
        content = self.logprobs.content if self.logprobs else None
        return tuple(token.logprob for token in content or ())


class _Reply(_Part):
    choices: tuple[Choice, ...]


def read(text: str, n: int) -> tuple[Choice, ...]:
    """The `n` completions of a reply, in their order. Unreadable where it is something else, or holds another number."""
    try:
        choices = _Reply.model_validate_json(text).choices
    except ValidationError:
        raise Unreadable(f"the reply is no chat completion: {text[:200]!r}") from None
    if len(choices) != n:
        raise Unreadable(f"the reply has {len(choices)} completions and {n} were asked for")
    return tuple(sorted(choices, key=lambda choice: choice.index))


def complaint(text: str) -> str:
    """What the server says is wrong, on one line; empty where it says nothing that can be read."""
    try:
        found = json.loads(text)
        said = found.get("message") or found["error"]["message"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return ": " + " ".join(str(said).split())[:200]
