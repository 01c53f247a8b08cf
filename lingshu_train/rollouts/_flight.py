"""A call that servers answer while whoever asked goes on. No torch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from lingshu_train.rollouts._engine import Outage
from lingshu_train.rollouts._wire import Answer

Ask = Callable[[], list[Answer]]


class Flight:
    """`ask` runs in a thread of its own, which ends no later than its servers do; `again` has the same asked once more."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._answers: list[Answer] | None = None
        self._fault: BaseException | None = None
        self.again()

    def again(self) -> None:
        self._fault = None
        self._thread = threading.Thread(target=self._fly, daemon=True)
        self._thread.start()

    def wait(self) -> str:
        """Until all is answered: empty then, or why it will not be. Raises what is no Outage."""
        self._thread.join()
        if isinstance(self._fault, Outage):
            return str(self._fault)
        if self._fault is not None:
            raise self._fault
        return ""

    @property
    def answers(self) -> Sequence[Answer]:
        """Of a call that was waited for."""
        assert self._answers is not None, "nobody has waited for these answers"
        return self._answers

    def _fly(self) -> None:
        try:
            self._answers = self._ask()
        except BaseException as fault:  # noqa: BLE001 - whatever it is, whoever waits raises it
            self._fault = fault
