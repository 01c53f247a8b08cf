"""Where a pipeline works on one row: it asks teachers, reads replies in their form, and notes which checks were passed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NoReturn, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from lingshu_train.synthesize._cache import Reply
from lingshu_train.synthesize._request import Ask

_BLOCK = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
FORM = "form"
"""The check that every reply in a form goes through."""


class Dropped(Exception):
    """A row that is not made, and the check that says so."""

    def __init__(self, check: str, why: str) -> None:
        super().__init__(why)
        self.check, self.why = check, why


class Form(BaseModel):
    """Base of what a teacher is asked for as JSON. What it says beside the keys is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)


FormT = TypeVar("FormT", bound=Form)


class Answers(Protocol):
    """Who answers a request: a teacher, or a forecast that only counts."""

    def answer(self, ask: Ask, example: str) -> Reply: ...

    def key(self, ask: Ask) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was looked at, and whether it was passed."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(slots=True)
class Notes:
    """What became of a row: its requests in order, and the checks that it came to."""

    asked: list[str] = field(default_factory=list)
    replies: list[tuple[str, Reply]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)


class Desk:
    """Of one row. `dry`: no check drops anything, since nobody was asked."""

    def __init__(self, teacher: Answers, checker: Answers, *, dry: bool = False) -> None:
        self._teacher, self._checker, self._dry = teacher, checker, dry
        self.notes = Notes()

    def read(self, form: type[FormT], ask: Ask, *, example: FormT, checks: bool = False) -> FormT:
        """The reply as a record; one that is none is handed back once, with what is wrong. `checks`: the second teacher is
        asked. `example`: what a reply is like, for a forecast. Dropped: there is none even then."""
        shown, schema = _schema(form)
        wanted = replace(
            ask,
            text=f"{ask.text}\n\nReply with one JSON object that fits this schema, and nothing else:\n{shown}",
            schema=schema,
        )
        reply = self._answer(wanted, example.model_dump_json(), checks=checks)
        found, fault = _parsed(form, reply)
        if found is not None:
            self.notes.checks.append(Check(name=FORM, passed=True))
            return found
        told = f"Your reply cannot be used: {fault} Reply again with the JSON object alone."
        again = self._answer(wanted.handed_back(reply.text, told), example.model_dump_json(), checks=checks)
        found, fault = _parsed(form, again)
        self.notes.checks.append(Check(name=FORM, passed=found is not None, detail=f"handed back: {told}"))
        if found is None:
            raise Dropped(FORM, f"{ask.step}: {fault}")
        return found

    def say(self, ask: Ask, *, example: str, checks: bool = False) -> str:
        """The reply as plain text. Dropped: it was cut at its limit, or is empty."""
        reply = self._answer(ask, example, checks=checks)
        text = reply.text.strip()
        self.check(
            FORM,
            bool(text) and reply.finish != "length",
            f"{ask.step}: cut at {ask.max_tokens} tokens, or empty",
        )
        return text

    def check(self, name: str, passed: bool, why: str) -> None:
        """Note it. Dropped where it was not passed."""
        self.notes.checks.append(Check(name=name, passed=passed, detail="" if passed else why))
        if not passed and not self._dry:
            raise Dropped(name, why)

    def flag(self, name: str, passed: bool, why: str) -> None:
        """Note it, and go on."""
        self.notes.checks.append(Check(name=name, passed=passed, detail="" if passed else why))

    def drop(self, name: str, why: str) -> NoReturn:
        self.notes.checks.append(Check(name=name, passed=False, detail=why))
        raise Dropped(name, why)

    def _answer(self, ask: Ask, example: str, *, checks: bool) -> Reply:
        who = self._checker if checks else self._teacher
        reply = who.answer(ask, example)
        self.notes.asked.append(who.key(ask))
        self.notes.replies.append((ask.step, reply))
        if reply.refused:
            raise Dropped("refused", f"{ask.step}: {reply.text}")
        return reply


def _parsed(form: type[FormT], reply: Reply) -> tuple[FormT | None, str]:
    """The record of a reply, or what is wrong with it in a sentence for the teacher."""
    if reply.finish == "length":
        return None, "it was cut at its limit; be shorter."
    block = _BLOCK.search(reply.text)
    text = block[1] if block else reply.text
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None, "it holds no JSON object."
    try:
        return form.model_validate_json(text[start : end + 1]), ""
    except ValidationError as report:
        first = report.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the object"
        return None, f"{place}: {first['msg']}."


@cache
def _schema(form: type[Form]) -> tuple[str, Mapping[str, JsonValue]]:
    """The schema as a teacher reads it, and as a server does."""
    schema = form.model_json_schema()
    return json.dumps(schema, ensure_ascii=False), _closed(schema)


def _closed(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The schema as strict servers want it: no other keys, and all of them required."""
    properties = schema.get("properties")
    names = list(properties) if isinstance(properties, dict) else []
    required: list[JsonValue] = list(names)
    return {**schema, "additionalProperties": False, "required": required}
