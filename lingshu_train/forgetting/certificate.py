"""What was asked, what was done and what is left, in two files that say of whom by salted hashes alone.

The certificate names manifests before and after by their sha256, and carries the code that only this installation's key makes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal

from lingshu_train.errors import DataError
from lingshu_train.naming import digest, file_digest
from lingshu_train.runs import erased, manifest, signing
from lingshu_train.runs.manifest import Environment
from lingshu_train.runs.pushed import Pushed
from lingshu_train.schema import Name, Strict, load

REQUEST = "forget.json"
PATTERN = "forget-*.json"
AGAIN = "restore it from a backup; the same `lingshu forget` into a new folder makes another"


class Copied(Strict):
    """Rows of one corpus that hold the same as withdrawn ones, by why; `ids` as hashes."""

    corpus: Name
    why: str
    rows: str
    ids: tuple[str, ...]


class Request(Strict):
    """forget.json: written before anything is done, so that the same command finishes when the rows are gone already.

    `asked` and `ids` are sha256 of `salt` and the text. `rows`: what is withdrawn now, of each corpus. `first`: of each stage
    the first step that had one of them; 0: none. `named` is filled where the person asked for it.
    """

    version: Literal[1] = 1
    run: str
    what: str
    asked: str
    named: str = ""
    salt: str
    ids: tuple[str, ...]
    rows: dict[Name, str]
    first: dict[Name, int]
    copies: tuple[Copied, ...] = ()
    copies_taken: bool = False
    carried: tuple[str, ...] = ()
    pushes: tuple[Pushed, ...] = ()
    refused: int = 0
    created: str

    def is_of(self, what: str, value: str) -> bool:
        """Whether this is a request for that value: an id, a name, or a picture's digest."""
        return self.what == what and self.asked == hashed(self.salt, value)


class Chained(Strict):
    """One stage, before and after: its folder below each run, the hash that names it, its manifest by sha256 (empty: none).

    `how`: `the same`, `renamed`, `goes on` from `checkpoint` (by the sha256 of its list of files) at `step`, or `anew`.
    `steps`: of the stage, and `again`: how many were run again.
    """

    stage: Name
    before: str
    content_before: str
    manifest_before: str
    after: str
    content: str
    manifest: str
    first_use: int
    how: str
    step: int = 0
    checkpoint: str = ""
    steps: int = 0
    again: int = 0


class ErasedFiles(Strict):
    """Of one stage: the files that were overwritten, and its manifest before and after by sha256."""

    folder: str
    files: tuple[str, ...]
    before: str
    after: str


class Certificate(Strict):
    """forget-*.json. `left`: where content of the rows still lies or may lie."""

    request: Request
    chain: tuple[Chained, ...]
    erased: tuple[ErasedFiles, ...] = ()
    left: tuple[str, ...] = ()
    recipe: str
    withdrawn: str
    environment: Environment
    version: str
    finished: str
    signature: str = ""

    @property
    def signed(self) -> dict[str, object]:
        """What the signature is of."""
        return self.model_dump(mode="json", exclude={"signature"})

    @property
    def name(self) -> str:
        return f"forget-{digest(self.signed)[:12]}.json"


def hashed(salt: str, text: str) -> str:
    return hashlib.sha256(f"{salt}\n{text}".encode()).hexdigest()


def now() -> str:
    """UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def sealed(made: Certificate) -> Certificate:
    return made.model_copy(update={"signature": signing.signature(made.signed)})


class Checked(Strict):
    """What a check of a certificate found: `faults` contradict it, `untold` could not be compared."""

    name: str
    stages: int
    faults: tuple[str, ...]
    untold: tuple[str, ...]


def check(run: Path) -> Iterator[Checked]:
    """Every certificate in a run's folder, against the manifests that it names. DataError (65): one cannot be read."""
    for path in sorted(run.glob(PATTERN)):
        made = load(Certificate, path, otherwise=AGAIN)
        faults = list(_own(path, made)) + list(_files(run, made))
        untold = []
        if not signing.ours(made.signed, made.signature):
            untold.append(f"signed with another key than {signing.whose()}, or changed")
        before = Path(made.request.run)
        if not before.is_dir():
            untold.append("the run from before is gone")
        left = {each.after for each in made.erased}
        for one in made.chain:
            faults += _changed(run / one.after / manifest.NAME, {one.manifest, *left})
            if before.is_dir() and one.manifest_before:
                faults += _changed(before / one.before / manifest.NAME, {one.manifest_before, *left})
        yield Checked(name=path.name, stages=len(made.chain), faults=tuple(faults), untold=tuple(untold))


def _own(path: Path, made: Certificate) -> Iterator[str]:
    if made.name != path.name:
        yield f"{path.name}: says something else than when it was written"


def _files(run: Path, made: Certificate) -> Iterator[str]:
    for name, sha256 in (("recipe.yaml", made.recipe), ("withdrawn.json", made.withdrawn)):
        yield from _changed(run / name, {sha256})


def _changed(path: Path, named: Collection[str]) -> list[str]:
    """What is wrong with a file that a certificate names by sha256. A corpus of which more was erased since says so itself."""
    if not path.is_file():
        return [f"{path}: is missing"]
    if file_digest(path) in named:
        return []
    fault = f"{path}: is not what the certificate names"
    try:
        more = path.name == manifest.NAME and any(
            erased.covers(manifest.read(path.parent), one) for one in named
        )
    except DataError as damage:
        return [f"{fault} ({damage})"]
    return [] if more else [fault]
