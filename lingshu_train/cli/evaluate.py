"""Verbs that ask a model outside of a run: eval, ask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lingshu_train.cli._help import DATA, MOST_REFUSED, CardFolders, DataRoot, MostRefused, examples
from lingshu_train.errors import MissingInput, UsageError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from lingshu_train.evaluation.benchmarks.scores import Line

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
    part: Annotated[bool, typer.Option("--part", help="Only a part of a set lies here, on purpose.")] = False,
    most_refused: MostRefused = MOST_REFUSED,
    data_root: DataRoot = DATA,
    card_folders: CardFolders = None,
) -> None:
    """Measure models on benchmarks, one line each.

    Below them stand the means that the paper prints. The same command again goes on where it was stopped."""
    from lingshu_train.evaluation import opened
    from lingshu_train.evaluation.asking import Asking
    from lingshu_train.evaluation.benchmarks import corpora, measuring, showing, suite, versus
    from lingshu_train.evaluation.benchmarks.asked import Way
    from lingshu_train.record import Sampling
    from lingshu_train.runs.files import write_json

    wanted = suite.chosen([name.strip() for name in benchmarks.split(",") if name.strip()])
    if not wanted:
        raise UsageError(f"--benchmarks: names none; there are {', '.join(suite.names())}")
    way = Way(prompts=prompts, limit=limit, few=few, images=not no_image, shuffles=shuffle_options)
    named = [
        opened.model(name, served=served, device=device, batch=batch, cards=tuple(send or ()))
        for name in models
    ]
    place = corpora.Place(data_root=data_root, part=part, most_refused=most_refused)
    questions = [corpora.questions(one, place) for one in wanted]
    measured: dict[str, Sequence[Line]] = {}
    folders: dict[str, Path] = {}
    for one in named:
        folder = out / f"{Path(one.label).name}-{one.identity}"
        asking = Asking(sampling=Sampling(max_tokens=max_tokens), system=one.system, title=one.label)
        starts = None if rescore else one.starts
        lines = list(measuring.measure(questions, folder, starts, way=way, asking=asking))
        config: dict[str, JsonValue] = {
            "model": one.label,
            "prompts": prompts,
            "limit": limit,
            "few": few,
            "no_image": no_image,
            "shuffle_options": shuffle_options,
            "max_tokens": max_tokens,
        }
        write_json(folder / "results.json", showing.document(one.label, lines, config))
        measured[one.label], folders[one.label] = lines, folder
    print(showing.table(measured))
    first, *others = folders
    for other in others:
        found = versus.differences(*(measuring.right(folders[name], wanted) for name in (first, other)))
        print(versus.text(first, other, found))
    print(f"answers and results: {out}/")


@app.command(epilog=examples('lingshu ask runs/quickstart/rl scan.png "Which organ is shown?"'))
def ask(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="Folder of a model, RUN/STAGE, address of a server, or name of the hub."
        ),
    ],
    picture: Annotated[
        Path, typer.Argument(metavar="IMAGE", help="The picture; - for none.", readable=False)
    ],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to ask.")],
    max_tokens: Annotated[int, typer.Option(metavar="N", min=1, help="Most tokens of the answer.")] = 512,
    served: Served = "",
    device: Device = "",
) -> None:
    """Ask a model one question about a picture. The answer is that of a research model and no diagnosis."""
    from PIL import Image, UnidentifiedImageError

    from lingshu_train.evaluation import asking, opened
    from lingshu_train.record import Sample, Sampling

    pictures = {}
    if str(picture) != "-":
        try:
            pictures["asked"] = Image.open(picture).convert("RGB")
        except FileNotFoundError:
            raise MissingInput(f"{picture}: no such picture") from None
        except (UnidentifiedImageError, OSError) as fault:
            raise UsageError(f"{picture}: is no picture that can be read: {fault}") from None
    named = opened.model(model, served=served, device=device, batch=1)
    sample = Sample(id="asked", card="asked", split="asked", task="ask", question=question, question_type="free",
                    answer="", images=tuple(pictures))  # fmt: skip
    put = asking.Asking(sampling=Sampling(max_tokens=max_tokens), system=named.system)
    with named.starts() as engine:
        prompts = asking.prompts([sample], pictures.__getitem__, put)
        for completion in engine.answer(prompts, put.sampling):
            print(completion.text.strip())
    print("From a research model: not a diagnosis, and no replacement for a doctor.")
