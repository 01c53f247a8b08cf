"""What is sent to a vLLM server of ours (`_vllm_server`) and what comes back, checked before anyone uses it. No torch."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import urllib3
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from urllib3.exceptions import HTTPError

from lingshu_train.naming import canonical
from lingshu_train.record import Sampling
from lingshu_train.rollouts import _reply
from lingshu_train.rollouts._engine import Outage, Refused, Unreadable

if TYPE_CHECKING:
    from PIL.Image import Image

ModelT = TypeVar("ModelT", bound=BaseModel)
_CONNECT_S = 10.0
_HEALTH_S = 10.0


class Stale(Outage):
    """The engine has other weights than those that have to answer."""


@dataclass(frozen=True, slots=True)
class Address:
    """A server and the key without which it answers nobody."""

    url: str
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One completion to be drawn: the prompt's tokens with one mark a picture, the pictures in their order, its seed."""

    ids: Sequence[int]
    pictures: Sequence[Image] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for all of a call beside its sampling: the weights that answer, the tokens that end a completion, those that
    are never written."""

    version: str
    ends: Sequence[int]
    never: Sequence[int] = ()


class Answer(BaseModel):
    """A completion. `prompt_ids` are the tokens that the model was given, each picture as many as it has; `log_probs` (natural
    logarithms, one a token of `ids`) are NaN where the engine had no finite number."""

    model_config = ConfigDict(frozen=True, strict=True)

    prompt_ids: tuple[int, ...]
    ids: tuple[int, ...]
    log_probs: tuple[float | None, ...]
    finish: str

    @property
    def chances(self) -> tuple[float, ...]:
        return tuple(math.nan if one is None else one for one in self.log_probs)


class State(BaseModel):
    """What a server says of itself: the version of its weights, and what it runs."""

    model_config = ConfigDict(frozen=True)

    version: str
    software: str = ""


class _Answers(BaseModel):
    model_config = ConfigDict(frozen=True)

    version: str
    answers: tuple[Answer, ...]


def state(address: Address) -> State | None:
    """None while it loads its model. Outage: no server of ours answers there."""
    status, text = _talk(address, "GET", "/", None, timeout_s=_HEALTH_S)
    if status == 503:
        return None
    return _read(State, _good(address, status, text), address)


def load(address: Address, folder: str, version: str, *, timeout_s: float) -> None:
    """Have it read the tensors of a folder. Outage where it cannot."""
    body: JsonValue = {"folder": folder, "version": version}
    found = _read(
        State, _good(address, *_talk(address, "POST", "/weights", body, timeout_s=timeout_s)), address
    )
    if found.version != version:
        raise Stale(f"{address.url}: has weights {found.version!r} after it was given {version!r}")


def transfer(address: Address, call: str, body: Mapping[str, JsonValue], *, timeout_s: float) -> None:
    """One call of a transfer of weights (`_transfer`): init, start, update or finish. Outage or Refused where it fails."""
    _good(address, *_talk(address, "POST", f"/transfer/{call}", dict(body), timeout_s=timeout_s))


def rest(address: Address, *, timeout_s: float) -> None:
    """Have it give its memory back until it is given weights. Outage where it does not."""
    _good(address, *_talk(address, "POST", "/rest", {}, timeout_s=timeout_s))


def ask(
    address: Address, requests: Sequence[Request], sampling: Sampling, rules: Rules, *, timeout_s: float
) -> list[Answer]:
    """An answer for each request, in their order. Stale, Unreadable or another Outage (75): none counts. Refused (78)."""
    body = _body(requests, sampling, rules)
    text = _good(address, *_talk(address, "POST", "/answer", body, timeout_s=timeout_s))
    found = _read(_Answers, text, address)
    if found.version != rules.version:
        raise Stale(f"{address.url}: weights {found.version!r} answered, and {rules.version!r} were asked")
    if len(found.answers) != len(requests):
        raise Unreadable(f"{address.url}: {len(found.answers)} answers to {len(requests)} requests")
    for one in found.answers:
        _check(one, sampling, rules, address)
    return list(found.answers)


def _check(one: Answer, sampling: Sampling, rules: Rules, address: Address) -> None:
    """Refused where the context ended a completion; Unreadable where it is none of what was asked for."""
    count = len(one.ids)
    whole = one.finish == "length" and count == sampling.max_tokens
    ended = (
        one.finish == "stop"
        and 0 < count <= sampling.max_tokens
        and (sampling.stop or one.ids[-1] in rules.ends)
    )
    if one.finish == "length" and count < sampling.max_tokens:
        raise Refused(
            f"{address.url}: a completion ended after {count} of {sampling.max_tokens} tokens, where the engine's context "
            "does; start it with a larger one"
        )
    if not (whole or ended) or len(one.log_probs) != count:
        raise Unreadable(f"{address.url}: an answer of {count} tokens that ends with {one.finish!r}")
    if forbidden := sorted(set(one.ids) & set(rules.never)):
        raise Unreadable(f"{address.url}: an answer holds tokens that stand for pictures: {forbidden}")


def _body(requests: Sequence[Request], sampling: Sampling, rules: Rules) -> JsonValue:
    """Pictures that several requests share are sent once."""
    distinct = {id(picture): picture for one in requests for picture in one.pictures}
    place = {key: number for number, key in enumerate(distinct)}
    return {
        "version": rules.version,
        "sampling": {
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stop": list(sampling.stop),
            "ends": list(rules.ends),
            "never": list(rules.never),
        },
        "pictures": [_png(picture) for picture in distinct.values()],
        "requests": [
            {
                "ids": list(one.ids),
                "pictures": [place[id(picture)] for picture in one.pictures],
                "seed": one.seed,
            }
            for one in requests
        ],
    }


def _png(picture: Image) -> str:
    """PNG, which changes no pixel."""
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    return base64.b64encode(stream.getvalue()).decode()


def _talk(address: Address, method: str, path: str, body: JsonValue, *, timeout_s: float) -> tuple[int, str]:
    timeout = urllib3.Timeout(connect=_CONNECT_S, read=timeout_s)
    data = None if body is None else canonical(body).encode()
    try:
        with urllib3.PoolManager(timeout=timeout, retries=False) as connections:
            reply = connections.request(
                method,
                address.url + path,
                body=data,
                headers={"Content-Type": "application/json", "Authorization": f"Bearer {address.key}"},
                redirect=False,
            )
            return reply.status, reply.data.decode("utf-8", "replace")
    except HTTPError as fault:
        raise Outage(f"{address.url}: no answer ({type(fault).__name__})") from None


def _good(address: Address, status: int, text: str) -> str:
    why = f"{address.url}: the engine answers {status}{_reply.complaint(text)}"
    if status == 200:
        return text
    if status == 409:
        raise Stale(why)
    if status in (400, 401, 404):
        raise Refused(why)
    raise Outage(why)


def _read(model: type[ModelT], text: str, address: Address) -> ModelT:
    try:
        return model.model_validate_json(text)
    except ValidationError:
        raise Unreadable(f"{address.url}: the reply is not an engine's: {text[:200]!r}") from None
