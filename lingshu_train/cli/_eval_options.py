"""The options of `lingshu eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

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
Benchmarks = Annotated[
    str,
    typer.Option(metavar="NAME,...", help="paper, medical_vqa, text, reports, benchmarks, or data cards."),
]
Engine = Annotated[
    Literal["auto", "transformers", "vllm", "endpoint"],
    typer.Option(
        help="Who answers: transformers in this process, vllm in a server beside it, or the server named.",
        show_default="endpoint of an address, of RUN/STAGE what its recipe says under rollouts, else transformers",
    ),
]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="Where answers and results go.", readable=False)]
Prompts = Annotated[
    Literal["ours", "medevalkit/direct", "medevalkit/reasoning"],
    typer.Option(help="How questions are worded.", show_default=True),
]
Limit = Annotated[
    int, typer.Option(metavar="N", min=0, help="Only the first N questions of each.", show_default="all")
]
Few = Annotated[bool, typer.Option("--few", help="A quick look: 20 questions of each, drawn by their ids.")]
NoImage = Annotated[
    bool, typer.Option("--no-image", help="Without pictures: what the text alone gives away.")
]
Shuffles = Annotated[
    int,
    typer.Option(
        metavar="K",
        min=0,
        help="Ask each choice K times, its options in other orders.",
        show_default="once",
    ),
]
Samples = Annotated[
    int, typer.Option(metavar="K", min=1, help="Draw K answers to each question: pass@k and maj@k.")
]
Temperature = Annotated[
    float, typer.Option(metavar="T", min=0.0, help="Of --samples; one answer alone is the likeliest.")
]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="Of the first draw; the others follow.")]
Rescore = Annotated[bool, typer.Option("--rescore", help="Ask nothing; score the answers that were kept.")]
MaxTokens = Annotated[int, typer.Option(metavar="N", min=1, help="Most tokens of an answer.")]
Batch = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, help="Questions asked at once.", show_default="transformers 16, vllm 256"
    ),
]
Send = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CARD",
        help="A card whose text may go to a server elsewhere; may be given again.",
        show_default="none",
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Where the page goes.", show_default="evaluation.html in --out", readable=False
    ),
]
Judge = Annotated[
    str,
    typer.Option(
        metavar="URL", help="A server that judges short answers no rule can read.", show_default="none"
    ),
]
JudgeModel = Annotated[
    str, typer.Option(metavar="NAME", help="What the judge is called there.", show_default="none")
]
Part = Annotated[bool, typer.Option("--part", help="Only a part of a set lies here, on purpose.")]
