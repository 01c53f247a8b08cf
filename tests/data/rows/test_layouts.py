"""Layouts are an open set: one file each, found by its name, and nothing above knows which there are."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from format_files import card_of, put, put_parquet

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.data.corpus import corpus, preparing
from lingshu_train.data.corpus.specification import QuestionCount, Specification
from lingshu_train.data.rows import formats, layouts, reading
from lingshu_train.data.rows.layouts import PictureLayout, RowLayout
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.model import shape
from lingshu_train.naming import component, components

ROWS = '''
"""Riddles: a question and its answer per row."""

from lingshu_train.data.rows import published
from lingshu_train.data.rows.row import Row, SplitFiles
from lingshu_train.record import Sample


class Fields(SplitFiles):
    """Nothing but the files."""


lines = published.table_lines


def rows(line, fields, origin):
    yield Row(
        sample=Sample(
            id="", card=origin.card, split=origin.split, task="riddle",
            question=line.text("riddle"), question_type="short", answer=line.text("solution"),
        )
    )
'''

PICTURES = '''
"""Grey squares, which are asked how bright they are."""

from PIL import Image

from lingshu_train.record import Sample
from lingshu_train.schema import Strict

TASKS = ("brightness",)


class Fields(Strict):
    """`levels`: the brightness of each square."""

    levels: tuple[int, ...]


def pictures(card, root):
    for level in card.lingshu.fields["levels"]:
        yield Image.new("L", (56, 56), level)


def questions(cards, *, side, seed):
    return Squares([level for card, _ in cards for level in card.lingshu.fields["levels"]], side)


class Squares:
    def __init__(self, levels, side):
        self.levels, self.side = levels, side

    def sample(self, split, task, n):
        level = self.levels[n % len(self.levels)]
        sample = Sample(
            id=f"{split}/{task}/{n}", card="squares", split=split, task=task,
            question="How bright is it?", question_type="numeric", answer=str(level),
        )
        return sample, (Image.new("L", (self.side, self.side), level),)
'''


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Card]:
    """A layout of rows and one of pictures, each a file and no more, with a card each."""
    folder = tmp_path / "layouts"
    put(folder / "riddles.py", ROWS)
    put(folder / "grey_squares.py", PICTURES)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(folder)])
    made = {
        "riddles": card_of("riddles", {"files": {"train": "riddles.parquet"}}),
        "squares": card_of("grey_squares", {"levels": [10, 200, 90]}),
    }
    made = {name: card.model_copy(update={"name": name}) for name, card in made.items()}
    monkeypatch.setattr(cards, "load", lambda name, **_: made[name])
    monkeypatch.setattr(cards, "names", lambda folder=None: list(made))
    monkeypatch.setattr(cards, "root", lambda card, data_root: tmp_path / card.name)
    return made


def specification(tmp_path: Path, **changes: object) -> Specification:
    return Specification(
        **{
            "splits": tuple((name, (("train", "train"),)) for name in ("riddles", "squares")),
            "data_root": str(tmp_path),
            "asked": (QuestionCount(task="brightness", train=5, held_out=2),),
            "image_size": 56,
            "least_side": 1,
            "budget": shape.of("qwen2_5_vl").published_budget(min_pixels=784, max_pixels=12544),
            "seed": 0,
            "context": 32_768,
            "control": (),
            **changes,
        }
    )


def test_a_layout_of_rows_and_one_of_pictures_are_a_file_each(tmp_path: Path, added: dict[str, Card]) -> None:
    rows = [{"riddle": f"What is {n} and {n}?", "solution": str(2 * n)} for n in range(3)]
    put_parquet(tmp_path / "riddles" / "riddles.parquet", rows)
    (tmp_path / "squares").mkdir()
    summary = preparing.prepare(tmp_path / "out", specification(tmp_path), workers=1, most_refused=0.0)
    assert summary.tasks == {"brightness": {"train": 5, "held_out": 2}, "riddle": {"train": 3}}
    found = corpus.load(tmp_path / "out", tasks=("brightness",))
    assert [sample.answer for sample in found.samples] == ["10", "200", "90", "10", "200", "10", "200"]
    assert found.pictures(1)[0].getpixel((0, 0)) == 200


def test_questions_that_no_layout_of_the_cards_has_are_refused(
    tmp_path: Path, added: dict[str, Card]
) -> None:
    assert layouts.tasks(added.values()) == ("brightness",)
    wanted = specification(tmp_path, asked=(QuestionCount(task="colour", train=1, held_out=0),))
    with pytest.raises(RecipeError, match="unknown task 'colour'; there are: brightness"):
        preparing.prepare(tmp_path / "out", wanted, workers=1, most_refused=0.0)


def test_pictures_without_a_question_are_refused(tmp_path: Path, added: dict[str, Card]) -> None:
    with pytest.raises(RecipeError, match="squares: holds labelled pictures and no rows"):
        preparing.prepare(tmp_path / "out", specification(tmp_path, asked=()), workers=1, most_refused=0.0)


def test_a_file_that_is_no_layout_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "empty.py", "")
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    with pytest.raises(DataError, match=r"empty\.py is no layout: it must have Fields, lines and rows"):
        reading.open(card_of("empty", {}), tmp_path, split="train")


@pytest.mark.parametrize("name", components(layouts.FORMATS))
def test_every_layout_has_the_functions_of_its_protocol_with_their_arguments(name: str) -> None:
    layout = component(layouts.FORMATS, name, where=name, error=DataError)
    protocol = RowLayout if isinstance(layout, RowLayout) else PictureLayout
    assert isinstance(layout, protocol)
    for function in {"lines", "rows", "pictures", "questions"} & set(vars(protocol)):
        wanted = list(inspect.signature(getattr(protocol, function)).parameters)[1:]
        assert list(inspect.signature(getattr(layout, function)).parameters) == wanted
