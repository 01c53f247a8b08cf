"""Verbs that ask a model outside of a run: eval, ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lingshu_train.cli._help import DATA, MOST_REFUSED, CardFolders, DataRoot, MostRefused, examples
from lingshu_train.errors import MissingInput, UsageError

if TYPE_CHECKING:
    from PIL import Image

    from lingshu_train.rewards.judge import Params

app = typer.Typer()
Served = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="What the model is called at a server.", show_default="the model is no server"
    ),
]
Device = Annotated[
    str, typer.Option(metavar="NAME", help="Where the model runs.", show_default="a GPU where there is one")
]
Models = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL",
        help="Folder of a model, RUN/STAGE, address of a server (http://...), or name of the Hugging Face Hub.",
    ),
]


@app.command(
    "eval",
    epilog=examples(
        "lingshu eval runs/quickstart/rl --benchmarks vqa_rad,slake",
        "lingshu eval lingshu-medical-mllm/Lingshu-7B --benchmarks paper --few",
        "lingshu eval http://127.0.0.1:8000/v1 --served lingshu --benchmarks medical_vqa --prompts medevalkit/direct",
        "lingshu eval runs/quickstart/rl --benchmarks vqa_rad --rescore",
    ),
)
def evaluate(  # noqa: PLR0913 (each is an option of the command line)
    models: Models,
    benchmarks: Annotated[
        str,
        typer.Option(
            metavar="NAME,...", help="paper, medical_vqa, text, reports, benchmarks, or data cards."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where answers and results go.", readable=False)
    ] = Path("evaluations"),
    prompts: Annotated[
        Literal["ours", "medevalkit/direct", "medevalkit/reasoning"],
        typer.Option(help="How questions are worded.", show_default=True),
    ] = "ours",
    limit: Annotated[
        int, typer.Option(metavar="N", min=0, help="Only the first N questions of each.", show_default="all")
    ] = 0,
    few: Annotated[
        bool, typer.Option("--few", help="A quick look: 20 questions of each, drawn by their ids.")
    ] = False,
    no_image: Annotated[
        bool, typer.Option("--no-image", help="Without pictures: what the text alone gives away.")
    ] = False,
    shuffle_options: Annotated[
        int,
        typer.Option(
            metavar="K",
            min=0,
            help="Ask each choice K times, its options in other orders.",
            show_default="once",
        ),
    ] = 0,
    samples: Annotated[
        int, typer.Option(metavar="K", min=1, help="Draw K answers to each question: pass@k and maj@k.")
    ] = 1,
    temperature: Annotated[
        float, typer.Option(metavar="T", min=0.0, help="Of --samples; one answer alone is the likeliest.")
    ] = 0.7,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the first draw; the others follow.")] = 0,
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Ask nothing; score the answers that were kept.")
    ] = False,
    max_tokens: Annotated[int, typer.Option(metavar="N", min=1, help="Most tokens of an answer.")] = 1024,
    batch: Annotated[int, typer.Option(metavar="N", min=1, help="Questions in one forward pass.")] = 16,
    served: Served = "",
    send: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CARD",
            help="A card whose text may go to a server elsewhere; may be given again.",
            show_default="none",
        ),
    ] = None,
    device: Device = "",
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the page goes.",
            show_default="evaluation.html in --out",
            readable=False,
        ),
    ] = None,
    judge: Annotated[
        str,
        typer.Option(
            metavar="URL", help="A server that judges short answers no rule can read.", show_default="none"
        ),
    ] = "",
    judge_model: Annotated[
        str, typer.Option(metavar="NAME", help="What the judge is called there.", show_default="none")
    ] = "",
    part: Annotated[bool, typer.Option("--part", help="Only a part of a set lies here, on purpose.")] = False,
    most_refused: MostRefused = MOST_REFUSED,
    data_root: DataRoot = DATA,
    card_folders: CardFolders = None,
) -> None:
    """Measure models on benchmarks, one line each.

    Below them stand the means that the paper prints. The same command again goes on where it was stopped."""
    from lingshu_train.evaluation import opened
    from lingshu_train.evaluation.benchmarks import corpora, measuring, suite, table
    from lingshu_train.evaluation.benchmarks.asked import Way
    from lingshu_train.evaluation.page import model, render
    from lingshu_train.record import Sampling
    from lingshu_train.runs.files import write_text

    wanted = suite.chosen([name.strip() for name in benchmarks.split(",") if name.strip()])
    if not wanted:
        raise UsageError(f"--benchmarks: names none; there are {', '.join(suite.names())}")
    way = Way(
        prompts=prompts, limit=limit, few=few, images=not no_image, shuffles=shuffle_options, draws=samples
    )
    if samples > 1 and not temperature:
        raise UsageError("--samples: at --temperature 0 all draws are the same; give one above 0")
    heat = temperature if samples > 1 else 0.0
    sampling = Sampling(max_tokens=max_tokens, temperature=heat, seed=seed)
    how = table.Measuring(way=way, sampling=sampling, rescore=rescore)
    named = [
        opened.model(name, served=served, device=device, batch=batch, cards=tuple(send or ()))
        for name in models
    ]
    place = corpora.Place(data_root=data_root, part=part, most_refused=most_refused)
    questions = [corpora.questions(one, place) for one in wanted]
    found = table.measured(named, questions, out, how)
    print(table.text(found))
    if judge:
        params = _judge(judge, judge_model, out, send)
        _judged(params, found.folders, [one.name for one in wanted], way.variant)
    shown = [model.of(label, found.folders[label], lines) for label, lines in found.lines.items()]
    page = render.page(questions, shown, paired=found.paired, config=how.config, variant=way.variant)
    target = html or measuring.named(out, render.NAME, way.variant)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, page)
    print(f"answers and results: {out}/; page: {target}")


def _judge(url: str, name: str, out: Path, send: Sequence[str] | None) -> Params:
    """The server that judges; its replies are kept below `out`."""
    from lingshu_train.rewards.judge import Params
    from lingshu_train.schema import parse

    if not name:
        raise UsageError("--judge: needs --judge-model NAME, what the judge is called at the server")
    said = {"url": url, "model": name, "cache": str(out / "judge"), "cards": list(send or ())}
    return parse(Params, said, where="--judge", error=UsageError)


def _judged(params: Params, folders: Mapping[str, Path], benchmarks: Sequence[str], variant: str) -> None:
    """Ask a judge of what no rule could read, and print and keep what it says."""
    from lingshu_train.evaluation.benchmarks import measuring, opinions

    for label, folder in folders.items():
        scored = measuring.named(folder, measuring.SCORED, variant)
        found = [opinions.opinions(scored / f"{one}.jsonl", params) for one in benchmarks]
        opinions.written(folder, found, params.model)
        print(opinions.text(label, params.model, found))


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
    served: Served = "",
    device: Device = "",
) -> None:
    """Ask a model one question about a picture. The answer is that of a research model and no diagnosis."""
    from lingshu_train.evaluation import opened
    from lingshu_train.evaluation import web as pages

    if web:
        pages.needed()
    elif picture is None or not question:
        raise UsageError("ask: wants IMAGE and QUESTION, or --web")
    shown = _picture(picture) if picture and str(picture) != "-" else None
    named = opened.model(model, served=served, device=device, batch=1)
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
