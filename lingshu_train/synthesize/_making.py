"""Rows through a pipeline: many at a time, given on in the order of the corpus, whoever was answered first."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from lingshu_train.synthesize._cache import Reply
from lingshu_train.synthesize._client import Client, Unanswered
from lingshu_train.synthesize._desk import Desk, Dropped
from lingshu_train.synthesize._made import Came
from lingshu_train.synthesize._pipelines import Loaded
from lingshu_train.synthesize._request import Ask
from lingshu_train.synthesize._row import Row
from lingshu_train.synthesize._units import Units

_AHEAD = 4
"""Rows in work for each thread: a slow one holds up what is written, and not the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A client as a desk asks it."""

    client: Client

    def answer(self, ask: Ask, example: str) -> Reply:
        del example
        return self.client.answer(ask)

    def key(self, ask: Ask) -> str:
        return self.client.key(ask)


def all_of(
    units: Units, pipeline: Loaded, *, teacher: Client, checker: Client, threads: int
) -> Iterator[Came]:
    """What came of each row, in order. The first fault that stops a stage (Exhausted, Outage, Refused) is raised at its row,
    and no request is begun after it."""
    stop = threading.Event()
    waiting: deque[Future[Came]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for row in units.rows():
                if len(waiting) >= _AHEAD * threads:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(_stopping(stop, one), row, pipeline, teacher, checker))
            while waiting:
                yield waiting.popleft().result()
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


class _Stopped(Exception):
    """Another row's fault ends the stage."""


def _stopping(
    stop: threading.Event, work: Callable[[Row, Loaded, Client, Client], Came]
) -> Callable[..., Came]:
    def run(row: Row, pipeline: Loaded, teacher: Client, checker: Client) -> Came:
        if stop.is_set():
            raise _Stopped
        try:
            return work(row, pipeline, teacher, checker)
        except Exception:
            stop.set()
            raise

    return run


def one(row: Row, pipeline: Loaded, teacher: Client, checker: Client) -> Came:
    """What comes of a row."""
    desk = Desk(Asking(client=teacher), Asking(client=checker))
    try:
        made = pipeline.make(row, desk)
    except Dropped as fault:
        return Came(row=row, notes=desk.notes, check=fault.check, reason=fault.why)
    except Unanswered as fault:
        return Came(row=row, notes=desk.notes, check="unanswered", reason=str(fault), unanswered=True)
    return Came(row=row, notes=desk.notes, made=tuple(made), check="" if made else "nothing", reason="")
