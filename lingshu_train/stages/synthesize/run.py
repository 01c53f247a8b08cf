"""Make rows of a corpus's rows: ask, check, write. What was answered before is not asked again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing

from lingshu_train.bars import bar
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.data.corpus import corpus, withdrawn
from lingshu_train.data.corpus.summary import Summary
from lingshu_train.data.corpus.writer import Writer
from lingshu_train.errors import DataError, RunAgain
from lingshu_train.kind import Facts
from lingshu_train.model.settings import Settings
from lingshu_train.rollouts._openai_server import OpenAIServer
from lingshu_train.runs import funnel
from lingshu_train.runs.files import write_text
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.synthesize.config import Config
from lingshu_train.synthesize import _batching, _card, _files, _making, _pipelines, _units, _writing
from lingshu_train.synthesize._cache import Cache
from lingshu_train.synthesize._client import AGAIN, CHECKER, TEACHER, Client
from lingshu_train.synthesize._made import NAME, Came, Origin, Table, Tally
from lingshu_train.synthesize._purse import Purse
from lingshu_train.synthesize._settings import Teacher
from lingshu_train.synthesize._units import Units
from lingshu_train.verify import version


def run(stage: Stage, config: Config, settings: Settings) -> Facts:
    """Write `corpus/`, `made.parquet` and `card/`. Ended early, the next start goes through the rows again, and asks only what
    has no reply yet."""
    where = f"stages.{stage.name}"
    config.try_out(where)
    pipeline = _pipelines.load(config.pipeline, where=f"{where}.pipeline")
    units = _taken(stage, config, pipeline)
    parents = _parents(config, units, where)
    tally = Tally()
    with ExitStack() as stack:
        cache = stack.enter_context(closing(Cache(config.kept_in(stage.path.parent))))
        purse = Purse(config.budget, cache, stage=stage.name)
        teacher = checker = _client(stage, config.teacher, cache, purse, stack, role=TEACHER)
        if config.checker.model:
            checker = _client(stage, config.checker, cache, purse, stack, role=CHECKER)
        if config.teacher.batch is not None:
            _batching.fill(units, pipeline, (teacher, checker))
        threads = config.teacher.parallel * max(len(config.teacher.urls), 1)
        came = _making.all_of(units, pipeline, teacher=teacher, checker=checker, threads=threads)
        summary = _write(stage, config, settings, _shown(stage, came, len(units), teacher), pipeline, tally)
    own = cards.load(config.card)
    _describe(stage, config, pipeline, parents, summary, tally)
    if config.write_files:
        shutil.rmtree(stage.path / "files", ignore_errors=True)
        _files.write(corpus.load(stage.path / "corpus"), stage.path / "files", own)
    return {
        **summary.facts(),
        "rows_before": tally.rows,
        "rows_kept": tally.kept,
        "checks": tally.checks(),
        "dropped": dict(tally.dropped_by),
        "replies": tally.calls,
        "handed_back": tally.handed_back,
        "tokens_in": tally.tokens_in,
        "tokens_out": tally.tokens_out,
        "money": tally.money,
        "teacher": config.teacher.model,
        "prompts": pipeline.file.PROMPTS.digest,
        "verifier": version(),
        funnel.FACT: [each.told() for each in tally.funnel()],
    }


def _client(
    stage: Stage, asked: Teacher, cache: Cache, purse: Purse, stack: ExitStack, *, role: str
) -> Client:
    """Who answers; where it has weights of its own to serve, started first."""
    if asked.serve is not None:
        folder = stage.path / f"{role}-server"
        server = stack.enter_context(OpenAIServer(asked.serve, name=asked.model, folder=folder))
        asked = asked.served(server.url, server.key_file)
    return stack.enter_context(closing(Client(asked, cache, purse, stage=stage.name, role=role)))


def _taken(stage: Stage, config: Config, pipeline: _pipelines.Loaded) -> Units:
    """The rows that go through the pipeline. DataError: there are none."""
    found = corpus.load(
        stage.parent(config.corpus) / "corpus", split=config.split, tasks=config.tasks, card=config.from_cards
    )
    units = _units.of(withdrawn.left(stage, config.corpus, found), pipeline, most=config.most_rows)
    if not len(units):
        raise DataError(
            f"stages.{stage.name}: pipeline {pipeline.name} takes none of the {len(found):,} rows of corpus {config.corpus!r}, "
            f"split {config.split!r}; name other tasks"
        )
    return units


def _write(
    stage: Stage,
    config: Config,
    settings: Settings,
    came: Iterator[Came],
    pipeline: _pipelines.Loaded,
    tally: Tally,
) -> Summary:
    """The corpus and the table, from their beginning: replies that were kept are there in a moment."""
    folder = stage.path / "corpus"
    shutil.rmtree(folder, ignore_errors=True)
    wanted = _writing.specification(settings)
    naming = _writing.Naming(card=config.card, pipeline=pipeline.name, task=pipeline.file.TASK)
    origin = Origin(
        pipeline=str(config.pipeline),
        prompts=pipeline.file.PROMPTS.digest,
        teacher=config.teacher.model,
        revision=config.teacher.revision,
    )
    unanswered = 0
    with closing(Writer(folder)) as writer, closing(Table(stage.path / NAME, origin)) as table:
        for one in came:
            found = list(_writing.outcomes(one, naming, wanted))
            writer.add(found)
            tally.add(one)
            table.add(one, [name for name in map(_writing.kept, found) if name])
            unanswered += one.unanswered
        _judge(stage, config, tally, unanswered)
        licences = {config.card: cards.load(config.card).lingshu.licence.id}
        return writer.finish(licences=licences, budget=settings.budget, control_tokens=settings.shape.control)


def _judge(stage: Stage, config: Config, tally: Tally, unanswered: int) -> None:
    """RunAgain (75): too many rows have no answer. DataError (65): too few are kept, or none."""
    if unanswered > config.most_unanswered * tally.rows:
        raise RunAgain(
            f"stages.{stage.name}: {unanswered:,} of {tally.rows:,} rows have no answer after {config.teacher.tries} tries, "
            f"more than most_unanswered={config.most_unanswered:g}; {AGAIN}"
        )
    if not tally.kept or tally.kept < config.least_kept * tally.rows:
        most = ", ".join(f"{check} ({count:,})" for check, count in tally.dropped_by.most_common(3))
        raise DataError(
            f"stages.{stage.name}: {tally.kept:,} of {tally.rows:,} rows are kept, none or fewer than "
            f"least_kept={config.least_kept:g}; dropped most by: {most}; {stage.path / NAME} has each with its reason"
        )


def _shown(stage: Stage, came: Iterator[Came], total: int, teacher: Client) -> Iterator[Came]:
    """With a bar that says what goes over the line."""
    with bar(title=stage.name, unit="row", total=total) as progress:
        for one in came:
            yield one
            counts = teacher.counts
            told = {"sent": f"{counts.sent:,}", "again": f"{counts.repeated:,}", "kept": f"{counts.kept:,}"}
            progress.set_postfix({**told, "at_once": teacher.at_once}, refresh=False)
            progress.update()


def _parents(config: Config, units: Units, where: str) -> list[Card]:
    """The cards that rows come from. NotPermitted (77): those of one may not go to a teacher."""
    names = config.from_cards or tuple(corpus.read_summary(units.corpus.folder).cards)
    for name in names:
        config.teacher.refuse(name, f"{where}.teacher")
        config.second.refuse(name, f"{where}.checker")
    return [cards.load(name, where=f"{where}.corpus") for name in names]


def _describe(
    stage: Stage,
    config: Config,
    pipeline: _pipelines.Loaded,
    parents: list[Card],
    summary: Summary,
    tally: Tally,
) -> None:
    """The card of what was made."""
    prompts = pipeline.file.PROMPTS
    making = _card.Making(
        stage=stage.name,
        pipeline=str(config.pipeline),
        prompts=prompts.digest,
        version=prompts.version,
        teacher=config.teacher.model,
        revision=config.teacher.revision,
        checker=config.second.model,
    )
    own = cards.load(config.card)
    folder = stage.path / "card"
    folder.mkdir(exist_ok=True)
    write_text(folder / f"{own.name}{_card.OWN}.md", _card.render(own, parents, making, summary, tally))
