"""What a recipe says of a synthesize stage: a corpus, the pipeline its rows go through, who is asked, and what it may cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import made
from lingshu_train.data.corpus import corpus
from lingshu_train.errors import RecipeError
from lingshu_train.kind import About, Need, PlanLine, Role, StageConfig
from lingshu_train.schema import Name
from lingshu_train.synthesize import _forecast, _pipelines
from lingshu_train.synthesize._settings import Budget, Teacher


class Config(StageConfig):
    """A teacher model makes rows of the rows of a corpus. Every reply is kept, so that nothing is asked twice. Every made
    row is checked, and `made.parquet` says of each row what was asked, which checks it passed, and what it cost."""

    role: ClassVar[Role] = "corpus"
    method: ClassVar[str] = "synthesis"
    outputs: ClassVar[tuple[str, ...]] = ("corpus", "made.parquet", "card")
    told: ClassVar[tuple[str, ...]] = (
        "kind",
        "corpus",
        "split",
        "tasks",
        "pipeline",
        "card",
        "teacher",
        "checker",
        "budget",
    )
    judges: ClassVar[bool] = True
    unnamed: ClassVar[tuple[str, ...]] = ("budget", "cache", "most_unanswered")

    kind: Literal["synthesize"]
    corpus: str
    """The stage whose rows are taken: of kind prepare, curate, or another that leaves a corpus."""
    split: str = "train"
    """The split whose rows are taken. Made rows belong to it too."""
    tasks: tuple[str, ...] = ()
    """Only rows of these tasks; empty takes all."""
    from_cards: tuple[str, ...] = ()
    """Only rows of these data cards; empty takes all."""
    most_rows: int = Field(default=0, ge=0)
    """Rows that go through the pipeline, the first ones that it takes; 0: all."""
    pipeline: _pipelines.PipelineChoice
    """What is made of them. For example `{name: vqa_reasoning}`."""
    card: Name
    """The data card that made rows belong to. Its licence has to say what the teacher's terms allow; together with the cards
    that the rows come from, it decides over all that is made with them."""
    teacher: Teacher
    """Who is asked."""
    checker: Teacher = Teacher()
    """Who is asked by the checks that need a model; where nothing is said, the teacher. One of another family is better."""
    budget: Budget = Budget()
    """What it may cost."""
    cache: str = ""
    """The file with all replies; empty: `teacher/replies.sqlite` in the run's folder. Stages, and runs, may share one."""
    most_unanswered: float = Field(default=0.0, ge=0, le=1)
    """Share of the rows that may have no answer after all tries; more, and the stage waits for the next start (75)."""
    least_kept: float = Field(default=0.0, ge=0, le=1)
    """Share of the rows that must be kept; fewer stops the stage, since then a prompt or a teacher is at fault."""
    write_files: bool = False
    """Whether the rows are also written as the files that the card describes, below `files`, to be taken by other recipes."""

    @property
    def leaves(self) -> tuple[str, ...]:
        return (*self.outputs, "files") if self.write_files else self.outputs

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need("corpus", self.corpus, "corpus", self.split, self.tasks, self.from_cards),)

    @property
    def second(self) -> Teacher:
        """Who the checks ask."""
        return self.checker if self.checker.model else self.teacher

    @property
    def naming(self) -> dict[str, JsonValue]:
        """Where a teacher is asked and what it costs changes no reply; the words of the prompts do."""
        prompts = _pipelines.load(self.pipeline, where="pipeline").file.PROMPTS.digest
        own: dict[str, JsonValue] = {"teacher": self.teacher.naming, "checker": self.second.naming}
        return {**super().naming, **own, "prompts": prompts}

    @property
    def holds(self) -> Mapping[str, frozenset[str] | None] | None:
        return {self.split: None}

    def about(self) -> About:
        """The card is none that is read, and decides over licences like those that are."""
        return super().about().model_copy(update={"cards": (self.card,)})

    def describe(self) -> tuple[PlanLine, ...]:
        tasks = f", tasks {', '.join(self.tasks)}" if self.tasks else ""
        started = f"vLLM with {self.teacher.serve.weights}" if self.teacher.serve else ""
        who = (
            ", ".join(self.teacher.urls) or started or "nobody yet: name stages.NAME.teacher.urls and .model"
        )
        return (
            PlanLine(
                "makes", f"{self.pipeline} of {self.corpus}, {self.split}{tasks}; rows of card {self.card}"
            ),
            PlanLine("teacher", f"{self.teacher.model or '-'} ({who})"),
            *([PlanLine("checker", f"{self.checker.model}")] if self.checker.model else []),
        )

    def forecast(self, parents: Mapping[str, Path], run: Path) -> tuple[PlanLine, ...]:
        if self.corpus not in parents:
            return (PlanLine("forecast", f"known when {self.corpus} is finished"),)
        pipeline = _pipelines.load(self.pipeline, where="pipeline")
        found = corpus.load(
            parents[self.corpus] / "corpus", split=self.split, tasks=self.tasks, card=self.from_cards
        )
        told = _forecast.of(
            found, pipeline, self.teacher, self.second, kept=self.kept_in(run), most=self.most_rows
        )
        return (PlanLine("forecast", str(told)),)

    def check(self, where: str) -> None:
        pipeline = _pipelines.load(self.pipeline, where=f"{where}.pipeline")
        if not pipeline.file.TASK:
            raise RecipeError(
                f"{where}.pipeline.name: {self.pipeline.name} says no TASK of the rows that it makes"
            )
        layout = cards.load(self.card, where=f"{where}.card").lingshu.format
        if layout not in made.layouts():
            raise RecipeError(
                f"{where}.card: {self.card} is of format {layout}; made rows can be written as {', '.join(made.layouts())}"
            )
        self.teacher.check(f"{where}.teacher")
        self.checker.check(f"{where}.checker")
        if (self.teacher.batch is None) != (self.second.batch is None):
            raise RecipeError(
                f"{where}.checker.batch: teacher and checker are both asked in batches, or neither is; set it for both"
            )

    def try_out(self, where: str) -> None:
        """Told before the first stage of a run, which may take days until the teacher is asked."""
        if not self.teacher.urls and self.teacher.serve is None:
            raise RecipeError(
                f"{where}.teacher: nobody to ask; name `urls` and `model` of a server that has one, or weights to `serve`, or "
                "leave the stage out"
            )

    def kept_in(self, run: Path) -> Path:
        """The file of all replies, for a run's folder."""
        return Path(self.cache) if self.cache else run / "teacher" / "replies.sqlite"
