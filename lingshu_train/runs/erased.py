"""That a finished corpus stage is the one from before without the content of some rows: said in its manifest, and signed.

Stages that were made from it name its manifest by a hash that it no longer has. A word in the manifest alone could vouch for
any change, so it carries the code that only the owner's key makes (signing.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import JsonValue

from lingshu_train.errors import DataError
from lingshu_train.runs import manifest, signing
from lingshu_train.runs.manifest import Manifest
from lingshu_train.runs.withdrawn import Gone, written
from lingshu_train.schema import Strict, parse

if TYPE_CHECKING:
    from lingshu_train.runs.withdrawn import Ints

FACT = "rows_erased"
"""Its name among a manifest's results."""


class Erased(Strict):
    """`rows` of the corpus, as withdrawn.py writes them, and the `files` below the stage that were written anew. `before`: the
    stage's manifests from before, the newest last, by sha256."""

    rows: str
    files: tuple[str, ...]
    before: tuple[str, ...]
    signature: str

    @property
    def numbers(self) -> Ints:
        """The rows, ascending."""
        return Gone(fingerprint="", rows=self.rows).numbers


def said(made: Manifest) -> Erased | None:
    """What a manifest says of erased rows; None where it says nothing. DataError (65): it says it in another way."""
    told = made.results.get(FACT)
    return None if told is None else parse(Erased, told, where=f"{made.stage.path}: {FACT}", error=DataError)


def signed(made: Manifest, *, rows: str, files: Sequence[str], before: str) -> Manifest:
    """The manifest `made` of what is left, saying that the one of sha256 `before` was there first. Rows and files that were
    erased earlier are added up."""
    known = said(made)
    every = (*known.before, before) if known else (before,)
    if known:
        rows = written(sorted({*known.numbers.tolist(), *Gone(fingerprint="", rows=rows).numbers.tolist()}))
    told: dict[str, JsonValue] = {
        "rows": rows,
        "files": list(sorted({*files, *(known.files if known else ())})),
        "before": list(every),
        "signature": signing.signature(_record(made, rows, every)),
    }
    return made.model_copy(update={"results": {**made.results, FACT: told}})


def covers(made: Manifest, recorded: str) -> bool:
    """Whether `made` is what this installation left of the stage whose manifest had the sha256 `recorded`."""
    told = said(made)
    if told is None or recorded not in told.before:
        return False
    return signing.ours(_record(made, told.rows, told.before), told.signature)


def _record(made: Manifest, rows: str, before: Sequence[str]) -> dict[str, object]:
    return {"left": manifest.lasting(made), "rows": rows, "before": list(before)}
