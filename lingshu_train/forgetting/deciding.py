"""From a run and a name to what is to be done: which rows, what they reached, the new plan. Nothing is written here."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lingshu_train.data.corpus import corpus
from lingshu_train.documents import there
from lingshu_train.errors import CannotCreate, MissingInput, UsageError
from lingshu_train.forgetting import certificate, copies, erasing, going_on, reach, recorded
from lingshu_train.forgetting.certificate import Copied, Request
from lingshu_train.forgetting.going_on import Taken
from lingshu_train.forgetting.reach import Reach
from lingshu_train.planning import outputs
from lingshu_train.planning.plan import Plan
from lingshu_train.runs import ledger
from lingshu_train.runs import run as runs
from lingshu_train.runs.run import Run
from lingshu_train.runs.stage import Stage
from lingshu_train.runs.withdrawn import NAME, Withdrawn, written
from lingshu_train.schema import load
from lingshu_train.tracing import trace as tracing
from lingshu_train.tracing.matching import Wanted, What

RECIPE, WITHDRAWN = "recipe.yaml", NAME
"""Below the new run's folder: the recipe that it is, and the rows that this names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Whose rows, by what is named. `with_copies`: other rows that hold the same are withdrawn too; `near`: pictures that look
    alike are looked for; `clear`: the certificate says whom it is about."""

    what: What
    named: str
    with_copies: bool = False
    near: bool = False
    clear: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetting:
    """What is to be done: the run from before and its stages, the new plan, and what each stage will have of the old run."""

    found: Run
    read: tuple[Stage, ...]
    request: Request
    withdrawn: Withdrawn
    document: recorded.Document
    plan: Plan
    foreseen: dict[str, Taken]
    begun: bool

    @property
    def output(self) -> Path:
        return Path(self.plan.output)

    def steps(self, stage: Stage) -> int:
        """Optimizer steps that a stage of the old run has taken."""
        return len(ledger.steps(stage.path, tolerate_torn_end=True)) if stage.about.trains else 0


def plan(folder: Path, wish: Wish, *, output: Path | None = None) -> Forgetting:
    """Decide everything; nothing is written, but what a kill left half done is put back. The new run goes to `output`;
    none: beside the old one.

    MissingInput (66): no such run or rows, or what they reached cannot be told. DataError (65): the run is not what would be
    planned here. CannotCreate (73): the folder is taken by another request, or a run is working in the old one. UsageError
    (64): the new run would lie in the old one.
    """
    if runs.held(folder):
        raise CannotCreate(f"{folder}: a run is working in it; wait until it has ended")
    erasing.finish(folder)
    found, read = recorded.stages_of(folder)
    target = (output or found.path.with_name(f"{found.path.name}-without")).absolute()
    if target.resolve().is_relative_to(found.path):
        raise UsageError(
            f"--output {target}: lies in the run that is to be left as it is; name another folder"
        )
    before = recorded.withdrawn(read)
    made = recorded.document(found, read, output=target)
    world = max(stage.named_world for stage in read)
    recorded.check(recorded.plan(made, before, world_size=world), read)
    asked = tracing.wanted(found.path, wish.what, wish.named)
    request = _begun(target, wish, asked)
    if request is None:
        met, other = _met(found, read, wish, asked)
        withdrawn = reach.document(met, read, before)
        request = _request(met, read, wish, asked, other)
    else:
        withdrawn = load(Withdrawn, target / WITHDRAWN, otherwise=certificate.AGAIN)
    planned = recorded.plan(made, withdrawn, world_size=world)
    outputs.refuse_inputs(planned)
    foreseen: dict[str, Taken] = {}
    for new, old in zip(planned.stages, read, strict=True):
        above = all(foreseen[name].how in ("the same", "renamed") for name in new.parents)
        foreseen[new.name] = going_on.foresee(new, old, request.first[new.name], above=above)
    return Forgetting(
        found=found,
        read=read,
        request=request,
        withdrawn=withdrawn,
        document=made,
        plan=planned,
        foreseen=foreseen,
        begun=there(target / certificate.REQUEST),
    )


def _begun(target: Path, wish: Wish, asked: Wanted) -> Request | None:
    """The request that the folder was begun with. CannotCreate (73): another."""
    path = target / certificate.REQUEST
    if not there(path):
        return None
    request = load(Request, path, otherwise=certificate.AGAIN)
    if not request.is_of(wish.what, asked.values[0]) or request.copies_taken != wish.with_copies:
        raise CannotCreate(f"{target}: was begun to forget something else; name another folder with --output")
    return request


def _met(
    found: Run, read: Sequence[Stage], wish: Wish, asked: Wanted
) -> tuple[Reach, tuple[copies.Copy, ...]]:
    """What is to be withdrawn and what it reached, and the copies that were found."""
    met = reach.find(found.path, asked, read)
    if not met.rows:
        raise MissingInput(f"{found.path}: {asked.searched}: in no corpus that the run's plan reads")
    other = copies.find(met.rows, read, near=wish.near)
    if wish.with_copies and other:
        ids = dict.fromkeys([*_ids(met, read), *(one.id for one in other)])
        every = Wanted("sample", "", tuple(ids), f"{len(ids):,} rows and copies of them")
        more = reach.find(found.path, every, read)
        # Of the rows that were named: which copies preparing refused, nobody has asked.
        return replace(more, trace=replace(more.trace, refused=met.trace.refused)), other
    return met, other


def _request(
    met: Reach, read: Sequence[Stage], wish: Wish, asked: Wanted, other: Sequence[copies.Copy]
) -> Request:
    salt = secrets.token_hex(16)
    carried = met.trace.carried
    return Request(
        run=str(met.trace.run),
        what=wish.what,
        asked=certificate.hashed(salt, asked.values[0]),
        named=wish.named if wish.clear else "",
        salt=salt,
        ids=tuple(certificate.hashed(salt, one) for one in _ids(met, read)),
        rows={name: written(rows.tolist()) for name, rows in met.rows.items()},
        first=dict(met.first),
        copies=tuple(_copied(other, salt)),
        copies_taken=wish.with_copies,
        carried=(*carried.models, *carried.exports, *carried.checkpoints, *carried.begun, *carried.measured),
        pushes=carried.pushes,
        refused=len(met.trace.refused),
        created=certificate.now(),
    )


def _ids(met: Reach, read: Sequence[Stage]) -> list[str]:
    places = {stage.name: stage.path / "corpus" for stage in read}
    found: dict[str, None] = {}
    for name, rows in met.rows.items():
        reader = corpus.load(places[name]).reader
        found |= dict.fromkeys(reader.record(int(row))["id"] for row in rows)
    return list(found)


def _copied(found: Sequence[copies.Copy], salt: str) -> list[Copied]:
    groups: dict[tuple[str, str], list[copies.Copy]] = {}
    for one in found:
        groups.setdefault((one.corpus, one.why), []).append(one)
    return [
        Copied(
            corpus=name,
            why=why,
            rows=written(sorted(one.row for one in every)),
            ids=tuple(certificate.hashed(salt, one.id) for one in every),
        )
        for (name, why), every in groups.items()
    ]
