"""Verbs that ask a model outside of a run: eval, ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lingshu_train.cli import _eval_options as options
from lingshu_train.cli._help import DATA, MOST_REFUSED, CardFolders, DataRoot, MostRefused, examples
from lingshu_train.errors import MissingInput, UsageError
from lingshu_train.record import Sampling

if TYPE_CHECKING:
    from PIL import Image

    from lingshu_train.evaluation.benchmarks.asked import Way
    from lingshu_train.evaluation.benchmarks.measuring import Questions
    from lingshu_train.evaluation.benchmarks.opinions import Opinions
    from lingshu_train.evaluation.benchmarks.suite import Benchmark
    from lingshu_train.evaluation.benchmarks.table import Table
    from lingshu_train.rewards.judge import Params

app = typer.Typer()


@app.command(
    "eval",
    epilog=examples(
        "lingshu eval runs/quickstart/rl --benchmarks vqa_rad,slake",
        "lingshu eval lingshu-medical-mllm/Lingshu-7B --benchmarks paper --few",
        "lingshu eval http://127.0.0.1:8000/v1 --served lingshu --benchmarks medical_vqa --prompts medevalkit/direct",
        "lingshu eval runs/quickstart/rl --benchmarks vqa_rad --engine vllm",
        "lingshu eval runs/quickstart/rl --benchmarks vqa_rad --rescore",
    ),
)
def evaluate(  # noqa: PLR0913 (each is an option of the command line)
    models: options.Models,
    benchmarks: options.Benchmarks,
    engine: options.Engine = "auto",
    out: options.Out = Path("evaluations"),
    prompts: options.Prompts = "ours",
    limit: options.Limit = 0,
    few: options.Few = False,
    no_image: options.NoImage = False,
    shuffle_options: options.Shuffles = 0,
    samples: options.Samples = 1,
    temperature: options.Temperature = 0.7,
    seed: options.Seed = 0,
    rescore: options.Rescore = False,
    max_tokens: options.MaxTokens = 1024,
    batch: options.Batch = None,
    served: options.Served = "",
    send: options.Send = None,
    device: options.Device = "",
    html: options.Html = None,
    judge: options.Judge = "",
    judge_model: options.JudgeModel = "",
    part: options.Part = False,
    most_refused: MostRefused = MOST_REFUSED,
    data_root: DataRoot = DATA,
    card_folders: CardFolders = None,
) -> None:
    """Measure models on benchmarks, one line each.

    Below them stand the means that the paper prints. The same command again goes on where it was stopped."""
    from lingshu_train.evaluation import opened
    from lingshu_train.evaluation.benchmarks import corpora, measuring, table
    from lingshu_train.evaluation.benchmarks.asked import Way
    from lingshu_train.evaluation.page import render

    wanted = _chosen(benchmarks)
    if samples > 1 and not temperature:
        raise UsageError("--samples: at --temperature 0 all draws are the same; give one above 0")
    params = _judge(judge, judge_model, out, send)
    _scored_by_rules(wanted, params)
    way = Way(
        prompts=prompts, limit=limit, few=few, images=not no_image, shuffles=shuffle_options, draws=samples
    )
    heat = temperature if samples > 1 else 0.0
    sampling = Sampling(max_tokens=max_tokens, temperature=heat, seed=seed)
    how = table.Measuring(way=way, sampling=sampling, rescore=rescore)
    place = corpora.Place(data_root=data_root, part=part, most_refused=most_refused)
    wish = opened.Wish(engine=engine, served=served, device=device, batch=batch, cards=tuple(send or ()))
    named = opened.models(models, wish)
    questions = [corpora.questions(one, place) for one in wanted]
    found = table.measured(named, questions, out, how)
    print(table.text(found))
    if params:
        found = _judged(params, found, questions, way)
    target = html or measuring.named(out, render.NAME, way.variant)
    table.page(found, questions, how, target)
    print(f"answers and results: {out}/; page: {target}")


def _chosen(benchmarks: str) -> tuple[Benchmark, ...]:
    from lingshu_train.evaluation.benchmarks import suite

    wanted = suite.chosen([name.strip() for name in benchmarks.split(",") if name.strip()])
    if not wanted:
        raise UsageError(f"--benchmarks: names none; there are {', '.join(suite.names())}")
    return wanted


def _scored_by_rules(wanted: Sequence[Benchmark], judge: Params | None) -> None:
    """UsageError (64): without a judge one of them has no score."""
    for one in wanted:
        if one.style == "rubric" and judge is None:
            raise UsageError(
                f"{one.name}: a judge scores it by rubrics, and no rule can; name one with --judge URL --judge-model NAME"
            )


def _judge(url: str, name: str, out: Path, send: Sequence[str] | None) -> Params | None:
    """The server that judges, None where none is asked for; its replies are kept below `out`."""
    from lingshu_train.rewards.judge import Params
    from lingshu_train.schema import parse

    if not url and not name:
        return None
    if not name:
        raise UsageError("--judge: needs --judge-model NAME, what the judge is called at the server")
    if not url:
        raise UsageError("--judge-model: needs --judge URL, the server that has it")
    said = {"url": url, "model": name, "cache": str(out / "judge"), "cards": list(send or ())}
    return parse(Params, said, where="--judge", error=UsageError)


def _judged(params: Params, measured: Table, asked: Sequence[Questions], way: Way) -> Table:
    """Ask a judge of what no rule could read, and of what only rubrics tell; print and keep what it says."""
    from lingshu_train.evaluation.benchmarks import measuring, opinions, rubrics
    from lingshu_train.evaluation.benchmarks.asked import drawn

    told: dict[str, Sequence[Opinions]] = {}
    for label, folder in measured.folders.items():
        scored = measuring.named(folder, measuring.SCORED, way.variant)
        files = [(one, scored / f"{one.benchmark.name}.jsonl") for one in asked]
        told[label] = [
            opinions.opinions(path, params) for one, path in files if one.benchmark.style != "rubric"
        ]
        opinions.written(folder, told[label], params.model)
        by_rubrics = [
            rubrics.rubrics(one.benchmark.name, drawn(one.samples, way), path, params)
            for one, path in files
            if one.benchmark.style == "rubric"
        ]
        lines = [rubrics.text(label, params.model, one) for one in by_rubrics]
        if by_rubrics:
            rubrics.written(folder, by_rubrics, params.model)
        print("\n".join([opinions.text(label, params.model, told[label]), *lines]).strip())
    return replace(measured, opinions=told, judge=params.model)


@app.command(
    epilog=examples(
        'lingshu ask runs/quickstart/rl scan.png "Which organ is shown?"',
        "lingshu ask runs/quickstart/rl --web",
    )
)
def ask(  # noqa: PLR0913 (each is an option of the command line)
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="Folder of a model, RUN/STAGE, address of a server, or name of the hub."
        ),
    ],
    picture: Annotated[
        Path | None, typer.Argument(metavar="IMAGE", help="The picture; - for none.", readable=False)
    ] = None,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to ask.")] = "",
    web: Annotated[
        bool, typer.Option("--web", help="Ask on a page on this machine instead (needs gradio).")
    ] = False,
    port: Annotated[int, typer.Option(metavar="N", min=1, help="Where --web is served.")] = 7860,
    max_tokens: Annotated[int, typer.Option(metavar="N", min=1, help="Most tokens of the answer.")] = 512,
    served: options.Served = "",
    device: options.Device = "",
) -> None:
    """Ask a model one question about a picture. The answer is that of a research model and no diagnosis."""
    from lingshu_train.evaluation import opened
    from lingshu_train.evaluation import web as pages

    if web:
        pages.needed()
    elif picture is None or not question:
        raise UsageError("ask: wants IMAGE and QUESTION, or --web")
    shown = _picture(picture) if picture and str(picture) != "-" else None
    named = opened.model(model, opened.Wish(served=served, device=device, batch=1))
    with named.starts() as engine:
        answers = pages.answering(engine, named.system, max_tokens)
        if web:
            pages.serve(named.label, answers, port)
        else:
            print(answers(shown, question))
            print(pages.DISCLAIMER)


def _picture(path: Path) -> Image.Image:
    """As it is stored. MissingInput (66): there is none."""
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(path).convert("RGB")
    except FileNotFoundError:
        raise MissingInput(f"{path}: no such picture") from None
    except (UnidentifiedImageError, OSError) as fault:
        raise UsageError(f"{path}: is no picture that can be read: {fault}") from None
