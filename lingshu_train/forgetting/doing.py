"""What was decided, done: the stages of the new run one after another, what is erased, and the certificate at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import lingshu_train
from lingshu_train.errors import DataError, UsageError
from lingshu_train.forgetting import certificate, erasing, going_on, leftovers, recorded
from lingshu_train.forgetting.certificate import Certificate, Chained, ErasedFiles
from lingshu_train.forgetting.deciding import RECIPE, WITHDRAWN, Forgetting
from lingshu_train.naming import file_digest
from lingshu_train.running import launch, reporting
from lingshu_train.runs import checkpoint, manifest
from lingshu_train.runs import run as runs
from lingshu_train.runs.files import write_json, write_text
from lingshu_train.runs.stage import Stage
from lingshu_train.runs.withdrawn import Gone

Say = Callable[[str], None]
OLD = (
    "the new run is finished; restore this stage from a backup and run the same command again, or run it without --erase-old: "
    "the certificate then names what still holds the rows"
)
"""What to do where the run from before is not as it was."""


@dataclass(slots=True, kw_only=True)
class _Doing:
    """One run of what was decided."""

    made: Forgetting
    erase: bool
    say: Say
    erased: list[ErasedFiles] = field(default_factory=list)
    known: erasing.Inodes = field(default_factory=dict)

    def before(self, stage: Stage) -> None:
        """Take what the stage can have of the old run; erase a corpus as soon as it is there, before anything reads it."""
        old = next(one for one in self.made.read if one.name == stage.name)
        found = going_on.take(stage, old, self.made.request.first[stage.name])
        if found is not None and found.how != "anew":
            at = f" at step {found.step}" if found.step else ""
            self.say(f"{stage.name}: {found.how}{at} ({old.path.name})")
        if self.erase and stage.about.role == "corpus" and stage.name in self.made.request.rows:
            self.wipe(stage.path)

    def wipe(self, folder: Path) -> None:
        """Erase in the folder of a corpus stage what is asked for of it."""
        one = next(stage for stage in self.made.read if stage.path.name == folder.name)
        otherwise = OLD if folder.parent == self.made.found.path else manifest.again(folder)
        if not manifest.done(folder):
            raise DataError(
                f"{folder}: the corpus of stage {one.name} is not finished, so nothing can be erased in it; {otherwise}"
            )
        rows = Gone(fingerprint="", rows=self.made.request.rows[one.name]).numbers
        done = erasing.erase(folder, rows, self.known, otherwise=otherwise)
        self.known = done.known
        self.erased.append(
            ErasedFiles(folder=str(folder), files=done.files, before=done.before, after=done.after)
        )
        self.say(f"{folder}: {len(rows):,} rows erased, {len(done.files)} files written anew")


def run(
    made: Forgetting, *, say: Say, erase: bool = False, erase_old: bool = False
) -> tuple[Certificate, Path]:
    """Carry it out, or go on with it; returns the certificate and its file. `erase`: in the new run's corpora; `erase_old`: in
    those of the run from before as well, when the new one has finished."""
    if launch.several():
        raise UsageError("forget starts the processes of its stages itself; call it without torchrun")
    if erase_old and not erase:
        raise UsageError("--erase-old goes with --erase: the new run would keep what the old one has lost")
    doing = _Doing(made=made, erase=erase, say=say)
    with ExitStack() as stack:
        _open(made, stack)
        stack.enter_context(reporting.beside(made.output, say))
        launch.run(made.plan, say, before=doing.before)
        if erase_old:
            stack.enter_context(runs.hold(made.found.path))
            for stage in made.read:
                if stage.name in made.request.rows:
                    doing.wipe(stage.path)
        done = certificate.sealed(_certificate(doing))
        path = made.output / done.name
        write_json(path, done.model_dump(mode="json"))
    return done, path


def _open(made: Forgetting, stack: ExitStack) -> None:
    """Claim the new folder and write down what is to be done, the request last: with it everything is there."""
    output = made.output
    runs.refuse_foreign(output, made.plan.recipe)
    stack.enter_context(runs.hold(output))
    erasing.finish(output)
    runs.write(output, recipe=made.plan.recipe, stages=made.plan.stages, plan=made.plan.digest)
    if made.begun:
        return
    write_json(output / WITHDRAWN, made.withdrawn.model_dump(mode="json"))
    write_text(output / RECIPE, recorded.text(made.document, output / WITHDRAWN))
    write_json(output / certificate.REQUEST, made.request.model_dump(mode="json"))


def _certificate(doing: _Doing) -> Certificate:
    made = doing.made
    device = {manifest.read(stage.path).environment.device for stage in made.plan.stages}
    return Certificate(
        request=made.request,
        chain=tuple(_chained(doing, new, old) for new, old in zip(made.plan.stages, made.read, strict=True)),
        erased=tuple(doing.erased),
        left=(
            *leftovers.find(made.read, made.request, erased={one.folder for one in doing.erased}),
            *leftovers.quarantined([*made.read, *made.plan.stages], made.request),
        ),
        recipe=file_digest(made.output / RECIPE),
        withdrawn=file_digest(made.output / WITHDRAWN),
        environment=manifest.environment(
            device=", ".join(sorted(device)),
            processor="",
            world_size=made.plan.stages[-1].world_size,
            threads=0,
        ),
        version=lingshu_train.__version__,
        finished=certificate.now(),
    )


def _chained(doing: _Doing, new: Stage, old: Stage) -> Chained:
    """What became of a stage, by what is on disk: an earlier call may have done it."""
    taken = going_on.told(new, old)
    source = checkpoint.place(old.path, taken.step) / checkpoint.NAME
    before = old.path / manifest.NAME
    erased = next((one.before for one in doing.erased if one.folder == str(old.path)), "")
    steps = doing.made.steps(new)
    return Chained(
        stage=new.name,
        before=old.path.name,
        content_before=old.content,
        manifest_before=erased or (file_digest(before) if before.is_file() else ""),
        after=new.path.name,
        content=new.content,
        manifest=file_digest(new.path / manifest.NAME),
        first_use=doing.made.request.first[new.name],
        how=taken.how,
        step=taken.step,
        checkpoint=file_digest(source) if taken.step and source.is_file() else "",
        steps=steps,
        again=steps - taken.step if taken.how in ("goes on", "anew") else 0,
    )
