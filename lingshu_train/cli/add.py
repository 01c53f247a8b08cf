"""`lingshu data add`: the dialogue that makes a card and a recipe of a user's own files."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.models import OptionInfo

from lingshu_train import environment
from lingshu_train.cli import _dialogue
from lingshu_train.cli._help import DATA, DataRoot, examples
from lingshu_train.cli._say import say
from lingshu_train.errors import CannotCreate, DataError, UsageError

if TYPE_CHECKING:
    from lingshu_train.data.adding.decide import Decision
    from lingshu_train.data.adding.trial import Trial

app = typer.Typer()
GPU = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Where one is, one of these is."""
SAMPLED = 200
"""Pictures of each split that are decoded once more when the card is checked where it lies."""
RECIPES = {"adapt": "adapt", "tiny": "adapt_tiny"}


def _option(metavar: str, help: str) -> OptionInfo:
    found: OptionInfo = typer.Option(metavar=metavar, help=help, show_default=False)
    return found


Source = Annotated[
    Path,
    typer.Argument(metavar="FILE_OR_FOLDER", help="A table, or a folder of pictures.", readable=False),
]
Name = Annotated[str, _option("NAME", "What card and recipe are called.")]
Images = Annotated[Path | None, _option("FOLDER", "Where the names of pictures start.")]
ImageColumn = Annotated[str, _option("COLUMN", "Column of the pictures; none: text alone.")]
QuestionColumn = Annotated[str, _option("COLUMN", "Column of the questions.")]
Ask = Annotated[str, _option("TEXT", "One question for all rows.")]
AnswerColumn = Annotated[str, _option("COLUMN", "Column of the answers.")]
OptionColumns = Annotated[
    list[str] | None, _option("COLUMN", "Column of the options, or given once for each option's.")
]
PatientColumn = Annotated[
    str, _option("COLUMN", "Column of the patient; for folders a pattern, as '^[^/]+/([^_]+)_'; none.")
]
SplitColumn = Annotated[str, _option("COLUMN", "Column of the split; none: rows are divided.")]
Window = Annotated[str, _option("WINDOW", "For more than 8 bits: spread, full, lung, ... or CENTRE,WIDTH.")]
Delimiter = Annotated[str, _option("SIGN", "What stands between the cells of a .csv.")]
Encoding = Annotated[str, _option("NAME", "Encoding of a text table, such as latin-1.")]
Licence = Annotated[
    str, _option("ID", "SPDX id of the licence; internal where nothing is said: nothing leaves.")
]
Modality = Annotated[str, _option("WORD", "Kind of picture, such as x-ray or ct.")]
Language = Annotated[str, _option("CODE", "Language of questions and answers, such as en.")]
AnswerType = Annotated[str, _option("TYPE", "Type of all answers, such as short or free.")]
HeldOut = Annotated[
    float,
    typer.Option(metavar="SHARE", min=0.01, max=0.9, help="Share of the rows that training never sees."),
]
MostBad = Annotated[
    float, typer.Option(metavar="SHARE", min=0, max=1, help="Refuse a set of which more rows are bad.")
]
RecipeName = Annotated[
    str, _option("NAME", "adapt (one GPU) or tiny (CPU, shows the path); adapt where a GPU is here.")
]
Cards = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the card is written.", readable=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Take the proposal, and write.", show_default=False)]


@app.command(
    "add",
    epilog=examples(
        "lingshu data add pairs.csv --images pictures/ --patient patient_id",
        "lingshu data add chest_xrays/ --name chest --modality x-ray --yes",
    ),
)
def add(  # noqa: PLR0913 (each is an option of the command line)
    path: Source,
    name: Name = "",
    images: Images = None,
    image: ImageColumn = "",
    question: QuestionColumn = "",
    ask: Ask = "",
    answer: AnswerColumn = "",
    options: OptionColumns = None,
    patient: PatientColumn = "",
    split: SplitColumn = "",
    window: Window = "",
    delimiter: Delimiter = "",
    encoding: Encoding = "",
    licence: Licence = "",
    modality: Modality = "",
    language: Language = "",
    answer_type: AnswerType = "",
    held_out: HeldOut = 0.2,
    most_refused: MostBad = 0.01,
    recipe: RecipeName = "",
    cards: Cards = Path("data_cards"),
    yes: Yes = False,
    data_root: DataRoot = DATA,
) -> int:
    """Make a card and a recipe of your own files. Nothing of them is copied or changed."""
    from lingshu_train.data.adding.told import Told

    told = Told(
        name=name, images=images, image=image, question=question, ask=ask, answer=answer, options=tuple(options or ()),
        patient=patient, split=split, window=window, delimiter=delimiter, encoding=encoding, licence=licence,
        modality=modality, language=language, answer_type=answer_type, held_out=held_out,
    )  # fmt: skip
    asking = sys.stdin.isatty() and not yes
    base = _base(recipe)
    try:
        decision = _dialogue.decided(path, told, asking=asking)
    except typer.Abort:
        raise UsageError(
            "no answer was given, and nothing was written; flags and --yes stand in for answers"
        ) from None
    files = _free(decision.proposal.name, cards)
    if not recipe and base == "adapt_tiny":
        say(
            "no GPU is here: the recipe goes through the path with a tiny model; --recipe adapt writes the other"
        )
    for label, line in decision.said:
        print(f"{label:<10} {line}")
    print("\n".join(["samples", *(f"  {line}" for line in decision.samples)]))
    if asking and not _dialogue.agreed(f"Write {files[0]} and {files[1]}?"):
        return 0
    if not asking and not yes:
        print(f"nothing was written; add --yes to write {files[0]} and {files[1]}")
        return 0
    return _written(decision, files, base=base, most_refused=most_refused, data_root=data_root)


def _base(recipe: str) -> str:
    if recipe and recipe not in RECIPES:
        raise UsageError(f"--recipe {recipe}: is none of {', '.join(RECIPES)}")
    if recipe:
        return RECIPES[recipe]
    if any(Path(place).exists() for place in GPU):
        return "adapt"
    return "adapt_tiny"


def _free(name: str, folder: Path) -> tuple[Path, Path]:
    """Where card and recipe go. CannotCreate: something is there. UsageError: the name is taken, or the place is ours."""
    from lingshu_train.data.cards import card, folders

    if folder.absolute().resolve() == folders.SHIPPED.resolve():
        raise UsageError(
            f"{folder}: holds the cards that come with lingshu; make a folder of your own with `lingshu init FOLDER` and run "
            "this there, or name one with --cards"
        )
    files = (folder / f"{name}.md", Path(f"{name}.yaml"))
    for file in files:
        if file.exists():
            raise CannotCreate(
                f"{file}: is there already and is not written over; --name gives this set another name"
            )
    if name in card.names():
        raise UsageError(f"--name {name}: there is a data card of this name; say another")
    return files


def _written(
    decision: Decision, files: tuple[Path, Path], *, base: str, most_refused: float, data_root: Path
) -> int:
    """Try the card to the end; only one that prepare would take is written. Then check it where it lies."""
    from lingshu_train.data.adding import card

    texts = (
        card.text(decision.proposal, decision.decided),
        card.recipe(
            decision.proposal,
            base=base,
            judged=decision.judged,
            data_root=None if data_root == DATA else data_root.absolute(),
            most_refused=None if most_refused == 0.01 else most_refused,
        ),
    )
    found = _tried(decision.proposal.name, texts)
    _accept(found, most_refused)
    problems = (
        [f"{len(found.twins):,} pictures are in two splits under different names"] if found.twins else []
    )
    if problems:
        decided = replace(decision.decided, problems=problems)
        texts = (card.text(decision.proposal, decided), texts[1])
    _create(files, texts)
    print(f"wrote      {files[0]}, {files[1]}")
    environment.add_cards([files[0].parent])
    code = _checked(decision.proposal.name, data_root, refused=found.refused, twins=len(found.twins))
    where = "" if files[0].parent == Path("data_cards") else f" --cards {files[0].parent}"
    print(f"next       lingshu run {files[1]}{where}")
    return code


def _tried(name: str, texts: tuple[str, str]) -> Trial:
    """What preparing by the recipe would make of the card, both in a folder that goes again."""
    from lingshu_train.data.adding.trial import trial
    from lingshu_train.planning import recipe as recipes
    from lingshu_train.stages.prepare.config import Config

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"{name}.md").write_text(texts[0], encoding="utf-8")
        (Path(folder) / f"{name}.yaml").write_text(texts[1], encoding="utf-8")
        with environment.cards_in(Path(folder)):
            made = recipes.load(str(Path(folder) / f"{name}.yaml"))
            config = next(block.config for block in made.stages if isinstance(block.config, Config))
            # The data root is not needed, since the card holds a whole path; one of its own keeps this card apart from others
            # that were tried under its name in the same process.
            wanted = config.specification(made.model, data_root=folder, seed=made.seed)
            return trial(wanted, workers=os.cpu_count() or 1)


def _accept(found: Trial, most: float) -> None:
    """DataError where prepare or training would refuse the set."""
    if not found.accepted(most):
        total = found.refused + found.kept.total()
        raise DataError(
            f"{found.refused:,} of {total:,} rows are refused, more than --most-refused {most:g}; the first: "
            f"{found.examples[0]}"
        )
    for split in ("train", "held_out"):
        if not found.kept[split]:
            raise DataError(f"split {split} has no row; --split none divides the rows anew")
    if found.patients:
        raise DataError(
            f"{len(found.patients):,} rows of a patient or picture that is in another split too, such as {found.patients[0]}; "
            "--split none divides the rows anew"
        )
    for line in found.examples:
        say(f"left out: {line}")


def _create(files: tuple[Path, Path], texts: tuple[str, str]) -> None:
    """Both or neither; never over a file that is there."""
    made: list[Path] = []
    try:
        files[0].parent.mkdir(parents=True, exist_ok=True)
        for file, text in zip(files, texts, strict=True):
            with file.open("x", encoding="utf-8") as stream:
                made.append(file)
                stream.write(text)
    except OSError as fault:
        for file in made:
            file.unlink()
        raise CannotCreate(f"{files[0].parent}: cannot be written: {fault.strerror}") from None


def _checked(name: str, data_root: Path, *, refused: int, twins: int) -> int:
    """`lingshu data check`, whose problems are those that were accepted."""
    from lingshu_train.data.cards import card as cards
    from lingshu_train.data.checks import check as checking

    report = checking.check(cards.load(name), data_root, sample=SAMPLED)
    for line in (*report.problems, *report.leaks):
        print(line)
    print(f"check      {name}: {report.summary}")
    return 0 if refused or twins else report.exit_code
