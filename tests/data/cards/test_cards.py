"""Every data card is valid, agrees with itself and the recipes' mixtures, and says nothing it must not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import folders
from lingshu_train.data.cards.card import Card
from lingshu_train.data.questions.templates import Subject
from lingshu_train.data.rows.row import Origin, Picture
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.naming import component
from lingshu_train.record import ANSWER_TYPES
from lingshu_train.schema import parse
from lingshu_train.verify import gold_problem

FORMATS = "lingshu_train.data.rows.formats"
STAGES = {"shallow", "deep", "instruct", "rl", "evaluate", "synthesis", "quickstart", "variant"}
MIXTURES = Path(__file__).resolve().parents[3] / "recipes" / "data"
EVERY_CARD = pytest.mark.parametrize("name", cards.names())


def mixture(stage: str) -> list[str]:
    return yaml.safe_load((MIXTURES / f"lingshu_{stage}.yaml").read_text(encoding="utf-8"))["cards"]


@pytest.fixture(scope="module")
def every() -> dict[str, Card]:
    return {name: cards.load(name) for name in cards.names()}


@EVERY_CARD
def test_a_card_is_valid_and_its_hub_keys_are_there(name: str) -> None:
    card = cards.load(name)
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name)
    for key in ("pretty_name", "license", "language", "task_categories", "tags"):
        assert card.hub.get(key), key
    assert set(card.hub) <= {
        *("pretty_name", "license", "license_name", "license_link", "language", "task_categories", "tags"),
        *("size_categories", "annotations_creators", "source_datasets"),
    }
    assert list(card.lingshu.language) == card.hub["language"]


@EVERY_CARD
def test_a_reader_finds_what_the_set_is_what_is_wrong_its_licence_and_how_to_get_it(name: str) -> None:
    body = cards.load(name).body
    for heading in ("What it is", "What is wrong with it", "Licence", "How to get it"):
        assert f"**{heading}" in body, heading
    assert len(body.split()) >= 60


@EVERY_CARD
def test_a_card_names_known_words_only(name: str) -> None:
    block = cards.load(name).lingshu
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", block.format)
    assert set(block.answer_type) <= set(ANSWER_TYPES)
    assert block.used_in and set(block.used_in) <= STAGES
    assert block.modality and block.task and block.problems


@EVERY_CARD
def test_every_card_names_a_format_and_its_fields_fit_the_reader(name: str) -> None:
    block = cards.load(name).lingshu
    reader = component(FORMATS, block.format, where=name, error=DataError)
    parse(reader.Fields, block.fields, where=name, error=DataError)


def test_the_words_of_every_card_of_labels_make_answers_that_can_be_judged(tmp_path: Path) -> None:
    for card in map(cards.load, cards.names()):
        labels = card.lingshu.fields.get("labels")
        if labels:
            words = component(FORMATS, card.lingshu.format, where=card.name, error=DataError).Fields
            subject = Subject(
                origin=Origin(card=card.name, split="train", root=tmp_path),
                words=parse(words, card.lingshu.fields, where=card.name, error=DataError),
                image=Picture(name="x"),
                name="x",
            )
            for label in labels.values():
                rows = [*subject.finding(label, labels.values()), *subject.presence({label: True})]
                assert [gold_problem(row.sample) for row in rows] == [None] * len(rows), (card.name, label)


@EVERY_CARD
def test_role_source_and_access_agree(name: str) -> None:
    block = cards.load(name).lingshu
    assert (block.role == "demonstration") == (block.source.kind == "package")
    if "variant" not in block.used_in:
        assert (block.role == "benchmark") == ("evaluate" in block.used_in)
    assert (block.access == "credentialed") == (block.source.kind == "physionet")
    assert (block.access == "local") == (block.source.kind == "local")
    assert block.source.how_to_get or block.source.kind in ("hub", "physionet")


@EVERY_CARD
def test_the_permissions_follow_the_licence(name: str) -> None:
    block = cards.load(name).lingshu
    licence = block.licence
    if block.access == "credentialed":
        assert licence.third_party_api is False
        assert licence.redistribute is False
    if "-NC" in licence.id:
        assert licence.commercial is False
    if "-ND" in licence.id:
        assert licence.derive_weights is not True
    if licence.id in ("not-known", "none-stated", "not-settled"):
        assert (licence.redistribute, licence.derive_weights, licence.commercial) == (None, None, None)


@EVERY_CARD
def test_a_card_holds_no_token_and_no_path_of_a_machine(name: str) -> None:
    text = (folders.SHIPPED / f"{name}.md").read_text(encoding="utf-8")
    assert not re.search(r"hf_[A-Za-z0-9]{20,}|Bearer |AKIA[0-9A-Z]{16}", text)
    assert not re.search(r"(?<![\w.])/(home|root|work|tmp|mnt|opt)/", text)


def test_overlaps_name_cards_and_are_mutual(every: dict[str, Card]) -> None:
    for name, card in every.items():
        for other in card.lingshu.overlaps:
            assert other in every, f"{name} overlaps {other}"
            assert name in every[other].lingshu.overlaps, f"{other} does not say that it overlaps {name}"


def _kept_out(card: Card) -> set[str]:
    return {one["files"] for one in card.lingshu.fields.get("without", [])}


def test_a_benchmark_declares_every_training_set_from_the_same_source(every: dict[str, Card]) -> None:
    for name, card in every.items():
        if card.lingshu.role == "benchmark":
            source = card.lingshu.source.name
            same = {n for n, other in every.items() if n != name and other.lingshu.source.name == source}
            training = {n for n in same if every[n].lingshu.role == "training"}
            # A card that keeps out what the benchmark's own files name has nothing in common with it.
            kept_apart = {n for n in training if _kept_out(every[n]) & set(card.files.values())}
            assert training - kept_apart <= set(card.lingshu.overlaps), name


def test_no_training_card_reads_a_file_that_a_benchmark_reads(every: dict[str, Card]) -> None:
    read: dict[str, set[tuple[str, str, str]]] = {
        "training": set(),
        "benchmark": set(),
        "demonstration": set(),
    }
    for name, card in every.items():
        for split, pattern in card.lingshu.fields.get("files", {}).items():
            read[card.lingshu.role].add((card.lingshu.source.folder or name, split, pattern))
    assert read["benchmark"] and not read["training"] & read["benchmark"]


def test_the_splits_a_card_reads_are_splits_it_counts(every: dict[str, Card]) -> None:
    for name, card in every.items():
        if card.lingshu.splits and "all" not in card.lingshu.splits:
            assert set(card.lingshu.fields.get("files", {})) <= set(card.lingshu.splits), name


def test_a_benchmark_and_its_training_set_share_a_folder_and_a_layout(every: dict[str, Card]) -> None:
    for name in ("vqa_rad", "slake", "path_vqa", "pmc_vqa", "medqa", "mimic_cxr", "chexpert_plus"):
        benchmark = every[f"{name}_test"].lingshu
        assert benchmark.source.folder == name
        assert benchmark.format == every[name].lingshu.format


@pytest.mark.parametrize("stage", ["shallow", "deep", "instruct", "rl", "evaluate"])
def test_the_mixtures_name_exactly_the_cards_that_say_so(stage: str, every: dict[str, Card]) -> None:
    listed = mixture(stage)
    assert len(listed) == len(set(listed))
    assert set(listed) == {name for name, card in every.items() if stage in card.lingshu.used_in}


def test_no_benchmark_is_in_a_training_mixture(every: dict[str, Card]) -> None:
    for stage in ("shallow", "deep", "instruct", "rl"):
        assert all(every[name].lingshu.role == "training" for name in mixture(stage))


def write(folder: Path, head: str, body: str = "Text.\n") -> Path:
    (folder / "mine.md").write_text(f"---\n{head}---\n{body}", encoding="utf-8")
    return folder


def test_an_unknown_card_lists_what_there_is() -> None:
    with pytest.raises(RecipeError, match=r"recipe\.data: unknown data card 'slak'.*slake"):
        cards.load("slak", where="recipe.data")


def test_an_unknown_key_in_the_strict_block_is_refused(tmp_path: Path) -> None:
    block = "lingshu:\n  source: {kind: hub, name: a/b}\n  access: open\n  licence: {id: MIT}\n"
    block += "  format: x\n  colour: red\n"
    with pytest.raises(DataError, match=r"mine\.md: lingshu\.colour: unknown key"):
        cards.load("mine", folder=write(tmp_path, block))


def test_a_card_without_the_strict_block_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no `lingshu:` block"):
        cards.load("mine", folder=write(tmp_path, "license: mit\n"))


def test_the_digest_follows_what_the_rows_depend_on_and_nothing_else(tmp_path: Path) -> None:
    block = "lingshu:\n  source: {kind: hub, name: a/b}\n  access: open\n  licence: {id: MIT}\n  format: "
    first = cards.load("mine", folder=write(tmp_path, block + "x\n")).digest
    cited = cards.load(
        "mine", folder=write(tmp_path, block + "x\n  citations: [A paper]\n  problems: [Blurred]\n")
    )
    other = cards.load("mine", folder=write(tmp_path, block + "y\n"))
    assert cited.digest == first
    assert other.digest != first
