"""What of the old run is the new one's too: whole stages, and the last checkpoint from before a withdrawn row."""

from __future__ import annotations

from typing import Literal

from lingshu_train.data.corpus import corpus, late, table
from lingshu_train.documents import there
from lingshu_train.forgetting.reach import NEVER
from lingshu_train.hub import describing
from lingshu_train.runs import checkpoint, continuing, manifest, sharing
from lingshu_train.runs.files import link_file, write_json
from lingshu_train.runs.stage import AGAIN, Stage
from lingshu_train.schema import Strict, load
from lingshu_train.training import divergence

NAME = "taken.json"
"""Below a stage of the new run: what it has of the old one, where that is not all of it."""
How = Literal["the same", "renamed", "goes on", "anew"]
OUTPUT = {"model": "model/", "export": "export/"}
"""What of a stage others read, by its role; a ledger holds timings."""


class Taken(Strict):
    """What a stage has of the old run. `the same`: the whole of it, its name too; `renamed`: the whole of it, under the
    name that the withdrawal gives it; `goes on` from the checkpoint of `step`; `anew`: nothing."""

    how: How
    step: int = 0


def foresee(new: Stage, old: Stage, first: int, *, above: bool) -> Taken:
    """What a stage will have, as far as can be told before its parents have run. `above`: all of them are the old ones."""
    if new.content == old.content and manifest.done(old.path):
        return Taken(how="the same")
    if not above:
        return Taken(how="anew")
    if first == NEVER and manifest.done(old.path):
        return Taken(how="renamed")
    step = _last_before(old, first) if old.about.trains else 0
    return Taken(how="goes on", step=step) if step else Taken(how="anew")


def take(new: Stage, old: Stage, first: int) -> Taken | None:
    """Take what the new stage can have, now that its parents have finished; None where it was begun already.

    Whether a parent is the old one is told by the bytes of what it left, not by its name: a tokenizer made without some texts
    may well be the same.
    """
    if new.about.role == "corpus" and manifest.done(new.path):
        # A kill may have come between the two.
        _link_lengths(new, old)
    if manifest.done(new.path) or checkpoint.existing(new.path):
        return None
    if new.content == old.content and sharing.take(new, [old.path.parent], describing.taken):
        _link_lengths(new, old)
        return Taken(how="the same")
    found = foresee(new, old, first, above=all(alike(new, old, name) for name in new.parents))
    if found.how == "renamed":
        continuing.rename(new, old, describing.taken)
        return found
    if found.how == "the same":
        # It is damaged there, or was begun here: the launcher's to run.
        found = Taken(how="anew")
    new.path.mkdir(parents=True, exist_ok=True)
    write_json(new.path / NAME, found.model_dump(mode="json"))
    if found.how == "goes on":
        _keep_left_out(new, old, found.step)
        continuing.begin(new, old, found.step)
    return found


def told(new: Stage, old: Stage) -> Taken:
    """What a finished stage of the new run had of the old one."""
    if there(new.path / NAME):
        return load(Taken, new.path / NAME, otherwise=AGAIN)
    return Taken(how="the same" if new.content == old.content else "renamed")


def alike(new: Stage, old: Stage, name: str) -> bool:
    """Whether a parent of both left the same: of a corpus the same rows in the same places, of a model the same bytes."""
    here, there = new.parent(name), old.parent(name)
    if here == there:
        return True
    if not manifest.done(here) or not manifest.done(there):
        return False
    one, other = manifest.read(here), manifest.read(there)
    if one.stage.about.role == "corpus":
        before, now = (corpus.read_summary(place / "corpus") for place in (there, here))
        return before.fingerprint == now.fingerprint
    below = OUTPUT.get(one.stage.about.role, "")
    mine, theirs = (
        {path: sha256 for path, sha256 in made.files.items() if path.startswith(below)}
        for made in (one, other)
    )
    return mine == theirs


def _link_lengths(new: Stage, old: Stage) -> None:
    """What later stages have measured of a corpus; nothing where the stage leaves none. Of rows that are erased afterwards
    nothing else tells how long they were and whose, and the packs, limits and late places of the whole order hang on it."""
    for files in (table.FILES, late.FILES):
        for path in sorted((old.path / "corpus").glob(files)):
            link_file(path, new.path / "corpus" / path.name)


def _last_before(old: Stage, first: int) -> int:
    """The newest checkpoint that is whole and has seen none of the rows; 0: there is none."""
    for folder in reversed(checkpoint.existing(old.path)):
        step = checkpoint.step_of(folder)
        if (first == NEVER or step + _drawn_ahead(old) < first) and checkpoint.problem(
            folder, content=old.content
        ) is None:
            return step
    return 0


def _drawn_ahead(old: Stage) -> int:
    """Steps whose answers a checkpoint of the stage holds already, since servers drew them meanwhile."""
    found = old.config
    if not found.get("ahead"):
        return 0
    return int(str(found["rollout_prompts"])) // int(str(found["update_prompts"]))


def _keep_left_out(new: Stage, old: Stage, step: int) -> None:
    """Batches that were not finite, and left out, up to a checkpoint are left out by whoever goes on from it."""
    returns = [
        one
        for one in divergence.returns(old.path)
        if one.step <= step and all(each <= step for each in one.steps)
    ]
    if not returns:
        return
    record = divergence.Returns(returns=tuple(returns))
    write_json(new.path / divergence.NAME, record.model_dump(mode="json"))
