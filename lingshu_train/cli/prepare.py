"""The data verbs that read the rows of cards: check, prepare."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lingshu_train.cli import _executor
from lingshu_train.cli._executor import Asked, ExecutorName, Tasks
from lingshu_train.cli._help import (
    DATA,
    MOST_REFUSED,
    CardFolders,
    CardName,
    CardNames,
    DataRoot,
    FamilyName,
    LeastSide,
    MaxPixels,
    MinPixels,
    MostRefused,
    examples,
)

if TYPE_CHECKING:
    from lingshu_train.data.corpus.lengths import Published
    from lingshu_train.data.corpus.taught import Taught
    from lingshu_train.model.shape import PictureBudget

app = typer.Typer()
Part = Annotated[
    bool,
    typer.Option(
        "--part",
        help="Only a part of the set lies here, on purpose: no rows are missed, and rows whose pictures are not here are "
        "left out.",
        show_default=False,
    ),
]
Tokenizer = Annotated[
    str,
    typer.Option(
        metavar="MODEL",
        help="Model whose tokenizer counts what is taught: a folder, or a name of the Hugging Face Hub.",
        show_default="tokens are not counted",
    ),
]


@app.command(epilog=examples("lingshu data check slake", "lingshu data check pubmedvision --part"))
def check(  # noqa: PLR0913 (each is an option of the command line)
    card: CardName,
    sample: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="Decode only N pictures of each split; all else is still read."
        ),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A split to check; may be given again.", show_default="all"),
    ] = None,
    family: FamilyName = None,
    min_pixels: MinPixels = None,
    max_pixels: MaxPixels = None,
    least_side: LeastSide = 1,
    most_refused: MostRefused = MOST_REFUSED,
    part: Part = False,
    data_root: DataRoot = DATA,
    card_folders: CardFolders = None,
) -> int:
    """Is the card right, and its data here and whole?

    Every row is judged as `lingshu data prepare` judges it."""
    from lingshu_train.data.cards import card as cards
    from lingshu_train.data.checks import check as checking
    from lingshu_train.model import shape
    from lingshu_train.model.settings import FAMILY

    model = shape.of(family or FAMILY)
    terms = checking.Terms(
        model=model,
        budget=model.published_budget(min_pixels=min_pixels, max_pixels=max_pixels),
        least_side=least_side,
        most_refused=most_refused,
        part=part,
    )
    report = checking.check(cards.load(card), data_root, sample=sample, splits=split, terms=terms)
    for word, lines in report.told():
        for line in lines:
            print(f"{word}: {line}" if word else line)
    print(f"{card}: {report.summary}")
    return report.exit_code


@app.command(
    epilog=examples(
        "lingshu data prepare pmc_vqa --workers 8",
        "lingshu data prepare slake vqa_rad --split train --split validation --out mine",
        "lingshu data prepare medquad --tokenizer lingshu-medical-mllm/Lingshu-7B",
        "lingshu data prepare pmc_oa --executor slurm --tasks 64 --submit partition=cpu",
    )
)
def prepare(  # noqa: PLR0913 (each is an option of the command line)
    cards: CardNames,
    split: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A split to take; may be given again.", show_default="all"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the corpus goes.",
            show_default="DATA_ROOT/prepared/NAME-HASH",
            readable=False,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes.", show_default="all cores")
    ] = None,
    executor: ExecutorName = "local",
    tasks: Tasks = None,
    submit: Asked = None,
    family: FamilyName = None,
    min_pixels: MinPixels = None,
    max_pixels: MaxPixels = None,
    least_side: LeastSide = 1,
    most_refused: MostRefused = MOST_REFUSED,
    part: Part = False,
    tokenizer: Tokenizer = "",
    data_root: DataRoot = DATA,
    card_folders: CardFolders = None,
) -> None:
    """Turn cards into a corpus that recipes can take as it is."""
    from lingshu_train.data.cards import card as loading
    from lingshu_train.data.corpus import claiming, preparing, specification
    from lingshu_train.model import shape
    from lingshu_train.model.settings import FAMILY

    workers = workers or os.cpu_count() or 1
    cluster = _executor.cluster(executor, workers=workers, tasks=tasks, submit=submit or ())
    model = shape.of(family or FAMILY)
    budget = model.published_budget(min_pixels=min_pixels, max_pixels=max_pixels)
    for card in cards:
        specification.check_splits(loading.load(card, where="cards"), split or ())
    wanted = specification.of_rows(
        cards,
        split or None,
        data_root=data_root,
        least_side=least_side,
        model=model,
        budget=budget,
        part=part,
    )
    counter = _counter(tokenizer, family or FAMILY, budget)
    folder = claiming.claim(out, wanted) if out else data_root / "prepared" / preparing.name(wanted)
    summary = preparing.prepare(folder, wanted, workers=workers, most_refused=most_refused, cluster=cluster)
    counted = _counted(folder, counter, workers=workers) if counter else None
    print(preparing.text(summary, folder, counted))


def _counter(tokenizer: str, family: str, budget: PictureBudget) -> Published | None:
    """What counts tokens, where a model is named. MissingInput (66): it has no tokenizer, told before any row is read."""
    if not tokenizer:
        return None
    # Imports transformers, which takes seconds.
    from lingshu_train.data.corpus import lengths

    found = lengths.Published(family=family, budget=budget, base=tokenizer)
    lengths.ready(tokenizer, found)
    return found


def _counted(folder: Path, counter: Published, *, workers: int) -> Mapping[str, Taught]:
    """Of each card its answers and their tokens. The lengths stay beside the corpus, for recipes of this model."""
    from lingshu_train.data.corpus import corpus, lengths, taught

    table = lengths.of(folder, counter.base, counter, workers=workers)
    return taught.by_card(corpus.load(folder), table)
