"""A card that knows several layouts of the same data: the one that lies there is read, by all that read it, and is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from published.tree import Tree

from lingshu_train import cli
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import variants
from lingshu_train.data.cards.card import Card
from lingshu_train.data.checks import check as checking
from lingshu_train.data.corpus import preparing, specification
from lingshu_train.data.rows import layouts, reading
from lingshu_train.errors import DataError
from lingshu_train.model import shape
from lingshu_train.model.settings import FAMILY

VARIANTS = """
    1.0.1: {files: {train: labels_new.csv}}
    mirror: {images: kept/pictures}
"""


def card_of(
    folder: Path, more: str = VARIANTS, *, splits: str = "train: labels.csv", stated: str = "{}"
) -> Card:
    (folder / "cards").mkdir(exist_ok=True)
    (folder / "cards" / "twofold.md").write_text(
        f"""---
pretty_name: Twofold
license: mit
language: [en]
task_categories: [image-to-text]
lingshu:
  source: {{kind: http, name: twofold, how_to_get: ask}}
  access: open
  licence: {{id: MIT}}
  format: table
  fields:
    files: {{{splits}}}
    image: file
    images: pictures
    question: question
    answer: answer
  splits: {stated}
  variants: {more}
---
# Twofold
""",
        encoding="utf-8",
    )
    return cards.load("twofold", folder=folder / "cards")


def placed(
    folder: Path, *, table: str = "labels.csv", pictures: str = "pictures", answer: str = "yes"
) -> Tree:
    tree = Tree(folder / "data" / "twofold")
    tree.csv(table, [{"file": "1.png", "question": "Is it whole?", "answer": answer}])
    tree.picture(f"{pictures}/1.png", 1)
    return tree


@pytest.mark.parametrize(
    ("table", "pictures", "seen"),
    [
        ("labels.csv", "pictures", ""),
        ("labels_new.csv", "pictures", "1.0.1"),
        ("labels.csv", "kept/pictures", "mirror"),
    ],
)
def test_the_layout_that_lies_there_is_read_and_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    table: str,
    pictures: str,
    seen: str,
) -> None:
    card = card_of(tmp_path)
    placed(tmp_path, table=table, pictures=pictures)
    root = cards.root(card, tmp_path / "data")
    assert root is not None and variants.seen(card, root) == seen
    (row,) = reading.open(card, root, split="train")
    assert row.images[0].exists()

    monkeypatch.setenv("LINGSHU_CARDS", str(tmp_path / "cards"))
    told = seen or "as in `fields`"
    assert cli.main(["data", "check", "twofold", "--data-root", str(root.parent)]) == 0, (
        capsys.readouterr().out
    )
    assert f"layout: {told}\n" in capsys.readouterr().out
    assert cli.main(["data", "prepare", "twofold", "--workers", "1", "--data-root", str(root.parent)]) == 0
    assert f"layout       twofold: {told}\n" in capsys.readouterr().out


def test_of_two_layouts_that_fit_the_one_with_the_least_missing_is_read_and_the_cards_own_before_others(
    tmp_path: Path,
) -> None:
    card = card_of(tmp_path)
    placed(tmp_path)
    root = tmp_path / "data" / "twofold"
    placed(tmp_path, table="labels_new.csv")
    placed(tmp_path, pictures="kept/pictures")
    assert variants.seen(card, root) == "", "all three are whole"
    (root / "labels.csv").unlink()
    assert variants.seen(card, root) == "1.0.1"
    (root / "labels_new.csv").unlink()
    assert variants.seen(card, root) == "" and cards.root(card, tmp_path / "data") is None


def test_a_layout_that_lacks_one_split_gives_way_to_one_that_has_all(tmp_path: Path) -> None:
    splits = "train: labels.csv, test: Testing.csv"
    card = card_of(tmp_path, "{short: {files: {train: labels.csv, test: Test.csv}}}", splits=splits)
    placed(tmp_path)
    root = tmp_path / "data" / "twofold"
    assert variants.seen(card, root) == "", "both lack one"
    placed(tmp_path, table="Test.csv")
    assert variants.seen(card, root) == "short"


def test_the_layout_is_part_of_a_corpuss_name_and_variants_of_a_cards_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINGSHU_CARDS", str(tmp_path / "cards"))
    card = card_of(tmp_path)
    assert card.digest != card_of(tmp_path, "{}").digest
    card_of(tmp_path)
    model = shape.of(FAMILY)

    def name(data_root: Path) -> str:
        budget = model.published_budget(min_pixels=None, max_pixels=None)
        wanted = specification.of_rows(
            ["twofold"], ["train"], data_root=data_root, least_side=1, model=model, budget=budget
        )
        return preparing.name(wanted)

    placed(tmp_path / "one")
    placed(tmp_path / "other", table="labels_new.csv")
    assert name(tmp_path / "one" / "data") != name(tmp_path / "other" / "data")


def test_what_a_card_states_of_its_own_layout_is_not_asked_of_another(tmp_path: Path) -> None:
    card = card_of(tmp_path, stated="{train: {rows: 7}}")
    placed(tmp_path, table="labels_new.csv")
    found = checking.check(card, tmp_path / "data", folder=tmp_path / "cards")
    assert found.problems == () and found.differs == ()
    placed(tmp_path)
    found = checking.check(card, tmp_path / "data", folder=tmp_path / "cards")
    assert any("1 rows, the card states 7" in line for line in found.differs), found


def test_a_key_is_taken_away_by_null_and_a_variant_must_have_the_cards_splits(tmp_path: Path) -> None:
    card = card_of(tmp_path, "{bare: {images: null}}")
    assert "images" not in card.fields_of("bare") and card.lingshu.fields["images"] == "pictures"
    wrong = card_of(tmp_path, "{other: {files: {test: labels.csv}}}")
    with pytest.raises(
        DataError, match=r"lingshu.variants.other.files: must have the splits of `fields` \(train\), has test"
    ):
        layouts.fields_of(wrong, "other")
    (problem,) = checking.check(wrong, tmp_path / "data", folder=tmp_path / "cards").problems[:1]
    assert "variants.other.files" in problem
