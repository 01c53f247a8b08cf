"""What a recipe says of the teachers that are asked, and of what they may cost. No torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import licences
from lingshu_train.errors import NotPermitted, RecipeError
from lingshu_train.rollouts import _talk, endpoint
from lingshu_train.rollouts._openai_server import Serving
from lingshu_train.schema import Strict, parse

UNNAMED = (
    "batch",
    "serve",
    "urls",
    "cards",
    "token_file",
    "timeout_s",
    "parallel",
    "tries",
    "price_in",
    "price_out",
)
"""Keys of a teacher that are no part of a stage's name: where it is asked, how often at a time, and what it costs."""


class Batching(Strict):
    """How requests are sent in batches."""

    poll_s: float = Field(default=60.0, gt=0)
    """Seconds between two looks at a batch that is under way."""
    window: str = "24h"
    """The time in which the server promises to be done, as it is told (`completion_window`)."""
    most_requests: int = Field(default=50_000, gt=0)
    """Most requests of a batch."""
    most_bytes: int = Field(default=100 << 20, gt=0)
    """Most bytes of a batch's file. Pictures are in it."""


class Teacher(Strict):
    """A model behind one or several OpenAI-compatible servers."""

    urls: tuple[str, ...] = ()
    """Addresses of servers with this model, each up to its version; the one with most room is asked. For example
    `[http://127.0.0.1:8000/v1]`."""
    model: str = ""
    """The model's name on the servers."""
    revision: str = ""
    """The model's version, where its name does not say it: a hub commit, a vendor's date. Another one is asked anew."""
    cards: tuple[str, ...] = ()
    """Data cards whose text and pictures may go there; servers on this machine need none."""
    token_file: str = ""
    """File that holds the key; empty where none is needed."""
    timeout_s: float = Field(default=300.0, gt=0)
    """Seconds that a request may take between two pieces of its reply."""
    parallel: int = Field(default=32, gt=0)
    """Most requests under way at a time and server. How many there are is found out: more while all goes well, fewer after a
    fault."""
    tries: int = Field(default=6, gt=0)
    """How often a request is sent before its row has no answer."""
    structured: Literal["json_schema", "json_object", "none"] = "json_schema"
    """How replies are held to their form: by a schema, as JSON, or by words alone. Each reply is checked here as well."""
    price_in: float = Field(default=0.0, ge=0)
    """Price of a million tokens that are sent."""
    price_out: float = Field(default=0.0, ge=0)
    """Price of a million tokens that are written."""

    batch: Batching | None = None
    """Send requests in batches (the server's `/files` and `/batches`), which vendors give cheaper and within a day; `{}` with
    what they commonly allow. Prices are then those of batches. By default each request is asked and answered by itself."""

    serve: Serving | None = None
    """Start vLLM on this machine with these weights, instead of asking `urls`. What it is called is `model`, and `revision`
    says which weights they are. For example `{weights: models/teacher, flags: [--tensor-parallel-size, "8"]}`."""

    @property
    def naming(self) -> dict[str, JsonValue]:
        """What of it names a stage."""
        return self.model_dump(mode="json", exclude=set(UNNAMED))

    def served(self, url: str, token_file: str) -> Teacher:
        """The same teacher at the address at which it was started."""
        return self.model_copy(update={"urls": (url,), "token_file": token_file, "serve": None})

    @property
    def local(self) -> bool:
        """Whether all of its servers are on this machine."""
        return _talk.local(self.urls)

    def money(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6

    def endpoints(self, where: str) -> tuple[endpoint.Params, ...]:
        """The servers as the engine `endpoint` has them. RecipeError (78): an address that is none."""
        keys = {"model": self.model, "token_file": self.token_file}
        return tuple(
            parse(
                endpoint.Params,
                {**keys, "url": url, "timeout_s": self.timeout_s, "parallel": self.parallel},
                where=where,
                error=RecipeError,
            )
            for url in self.urls
        )

    def check(self, where: str) -> None:
        """RecipeError (78), or NotPermitted (77): a card is named whose licence does not let its text go elsewhere."""
        if self.serve is not None and (self.urls or not self.model):
            raise RecipeError(
                f"{where}.serve: needs `model`, what to call it, and no `urls`, since it is started here"
            )
        if self.serve is None and bool(self.urls) != bool(self.model):
            raise RecipeError(f'{where}: needs both `urls` and `model`; `urls: []` and `model: ""` name none')
        self.endpoints(where)
        if self.local:
            return
        for name in self.cards:
            for reason in licences.unsendable([cards.load(name, where=f"{where}.cards")]):
                raise NotPermitted(
                    f"{where}.cards: {reason} does not allow sending its text to a third party; ask a server on this machine, "
                    "which needs no card named"
                )

    def refuse(self, card: str, where: str) -> None:
        """NotPermitted (77): rows of this card may not go to these servers."""
        if not self.local and card not in self.cards:
            away = next(url for url in self.urls if not _talk.local([url]))
            raise NotPermitted(
                f"{where}: {away} is not on this machine, and card {card!r} is not listed in its cards; list it if its licence "
                "allows that, or ask a server on this machine"
            )


class Budget(Strict):
    """What a stage may spend; 0: no limit. At its end the stage stops (75), and what was answered is kept."""

    tokens: int = Field(default=0, ge=0)
    """Most tokens, sent and written."""
    money: float = Field(default=0.0, ge=0)
    """Most money, in the unit of the prices."""
    each: Literal["stage", "start"] = "stage"
    """`stage`: in all, so that the same command goes on only with a larger budget. `start`: each start of the command may spend
    as much again, so that the same command goes on as it is. A job that queues itself again spends it again, too."""
