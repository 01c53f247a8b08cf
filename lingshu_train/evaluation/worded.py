"""Questions in words, found again in longer texts by runs of words, as the step `decontamination` of curation does."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")
_RUN = 8
"""Words of a run."""
_SHARE = 0.5
"""Least share of a question's runs that a text holds."""
_COMMON = 20
"""Questions that may have a run in common: more have it from a form of asking, and it does not count."""


class Index:
    """The runs of some questions, by id."""

    def __init__(self, questions: Mapping[str, str]) -> None:
        self._owners: dict[int, list[str]] = defaultdict(list)
        for id, text in questions.items():
            for run in _runs(text):
                self._owners[run].append(id)
        self._owners = {run: ids for run, ids in self._owners.items() if len(ids) <= _COMMON}
        self._counts = Counter(id for ids in self._owners.values() for id in ids)

    def met(self, text: str) -> Iterator[str]:
        """The questions of which a text holds enough."""
        hits = Counter(id for run in _runs(text) for id in self._owners.get(run, ()))
        yield from (id for id, count in hits.items() if count >= _SHARE * self._counts[id])


def _runs(text: str) -> set[int]:
    """Each run as a number. Of this process alone: Python's hash of texts is another in the next one."""
    words = _WORD.findall(text.casefold())
    return {hash(tuple(words[n : n + _RUN])) for n in range(len(words) - _RUN + 1)}
