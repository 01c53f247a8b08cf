"""What is to be done, and what was, as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lingshu_train.forgetting.certificate import Certificate, Request
from lingshu_train.forgetting.deciding import RECIPE, Forgetting
from lingshu_train.forgetting.going_on import Taken
from lingshu_train.runs.withdrawn import Gone

_LISTED = 20


def plan(made: Forgetting) -> str:
    """Which rows, what each stage will have of the old run, what it costs, and what carries the rows."""
    lines = [*_rows(made.request), ""]
    total = again = 0
    for new, old in zip(made.plan.stages, made.read, strict=True):
        first, taken, steps = made.request.first[new.name], made.foreseen[new.name], made.steps(old)
        lines.append(
            f"{new.name} ({new.kind}): {_first(first, steps, trains=bool(new.about.trains))}; {_will(taken, steps)}"
        )
        total += steps
        again += steps - taken.step if taken.how in ("goes on", "anew") else 0
    share = f" ({again / total:.0%})" if total else ""
    made_anew = [
        stage.name
        for stage in made.plan.stages
        if stage.about.role == "model" and not stage.about.trains and made.foreseen[stage.name].how == "anew"
    ]
    unless = f", fewer where {', '.join(made_anew)} comes out the same" if made_anew else ""
    lines += [
        "",
        f"steps to run again: {again:,} of {total:,}{share}{unless}",
        f"into {made.output}, as {RECIPE} there",
    ]
    return "\n".join([*lines, *_copies(made.request), *_carried(made.request)])


def certificate(done: Certificate, path: Path) -> str:
    """The certificate for a reader who has no program at hand."""
    lines = [
        f"Certificate of forgetting, {done.finished}",
        f"run: {done.request.run}",
        f"asked for: {done.request.what} {done.request.named or 'by hash ' + done.request.asked[:12]}",
        *_rows(done.request),
        "",
    ]
    for one in done.chain:
        at = f" at step {one.step}" if one.step else ""
        lines.append(
            f"{one.stage}: {one.how}{at}, {one.again:,} of {one.steps:,} steps run again; first use "
            f"{one.first_use or 'never'}; manifest {one.manifest_before[:12] or 'none'} -> {one.manifest[:12]}"
        )
    lines += ["", *(f"erased in {one.folder}: {', '.join(one.files)}" for one in done.erased)]
    lines += ["still there:", *(f"  {line}" for line in done.left)] if done.left else []
    lines += _copies(done.request)
    here = done.environment
    lines += [
        f"code: lingshu-train {done.version}, commit {here.commit or 'unknown'}"
        + (", changed since" if here.uncommitted_changes else ""),
        f"certificate: {path.name}, checked by `lingshu verify {path.parent}`",
    ]
    return "\n".join(lines)


def _rows(request: Request) -> Iterator[str]:
    for name, rows in request.rows.items():
        yield f"withdrawn from {name}: {len(Gone(fingerprint='', rows=rows)):,} rows"
    if request.refused:
        yield f"refused when they were prepared, and in no corpus: {request.refused:,} rows"


def _first(first: int, steps: int, *, trains: bool) -> str:
    if not first:
        return "never came to them"
    if trains and first > steps:
        return "was stopped before it came to them"
    return f"came to them first in step {first:,}" if trains else "came to them"


def _will(taken: Taken, steps: int) -> str:
    if taken.how == "goes on":
        return f"goes on from step {taken.step:,} of {steps:,}"
    told = {"the same": "stays as it is", "renamed": "stays, under the name that the withdrawal gives it"}
    return told.get(taken.how, "runs anew")


def _copies(request: Request) -> list[str]:
    if not request.copies:
        return ["", "other rows with the same picture or text: none"]
    verb = "taken too" if request.copies_taken else "not taken (--with-copies takes them)"
    return [
        "",
        f"other rows that hold the same, {verb}:",
        *(
            f"  {one.corpus}: {len(one.ids):,} rows, {one.why}: rows {one.rows[:80]}"
            for one in request.copies
        ),
    ]


def _carried(request: Request) -> Iterator[str]:
    yield from ["", "carried so far by:" if request.carried else "carried by nothing of this run"]
    yield from (f"  {place}" for place in request.carried[:_LISTED])
    if len(request.carried) > _LISTED:
        yield f"  ... and {len(request.carried) - _LISTED:,} more"
    yield from (f"  push: {one.repo} at {one.commit[:12]}, {one.at}" for one in request.pushes)
