"""The data verbs: list, show, check, missing, what a set of cards allows, Croissant."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lingshu_train.data import card as cards
from lingshu_train.data import catalogue
from lingshu_train.data.card import Card, Split
from lingshu_train.errors import RecipeError
from lingshu_train.naming import file_digest

SLAKE_ROW = {
    "img_name": "xmlab0/source.jpg",
    "question": "Is the heart enlarged?",
    "answer": "Yes",
    "answer_type": "CLOSED",
    "q_lang": "en",
}


def made(
    folder: Path, *, licence: str = "id: MIT, derive_weights: true", rows: int = 2, name: str = "made"
) -> Card:
    """A card of two SLAKE-like splits under `folder`."""
    text = f"""---
pretty_name: Made
license: mit
language: [en]
task_categories: [visual-question-answering]
lingshu:
  source: {{kind: hub, name: a/b}}
  access: open
  licence: {{{licence}}}
  format: slake_json
  fields: {{files: {{train: train.json, test: test.json}}}}
  splits: {{train: {{rows: {rows}}}}}
---
# Made
"""
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return cards.load(name, folder=folder)


def data(root: Path, train: list[dict[str, str]], test: list[dict[str, str]]) -> None:
    folder = root / "made"
    (folder / "imgs" / "xmlab0").mkdir(parents=True)
    (folder / "imgs" / "xmlab0" / "source.jpg").write_bytes(b"not decoded here")
    for split, rows in (("train", train), ("test", test)):
        (folder / f"{split}.json").write_text(json.dumps(rows), encoding="utf-8")


def test_the_list_holds_every_card_and_filters_narrow_it(tmp_path: Path) -> None:
    every = catalogue.rows(data_root=tmp_path)
    assert [entry.name for entry in every] == cards.names()
    fundus = {entry.name for entry in catalogue.rows(modality="Fundus", data_root=tmp_path)}
    assert {"papila", "fairvlmed"} <= fundus and "slake" not in fundus
    credentialed = {entry.name for entry in catalogue.rows(access="credentialed", data_root=tmp_path)}
    assert credentialed == {"mimic_cxr", "mimic_cxr_findings", "mimic_cxr_test", "mimic_ext_cxr_vqa", "brset"}
    both = catalogue.rows(modality="x-ray", task="report", access="gated", data_root=tmp_path)
    assert {entry.name for entry in both} == {"chexpert_plus", "chexpert_plus_test"}


def test_presence_follows_the_data_folder_and_a_benchmark_is_found_beside_its_training_set(
    tmp_path: Path,
) -> None:
    (tmp_path / "slake").mkdir()
    (tmp_path / "slake" / "test.json").write_text("[]", encoding="utf-8")
    there = {
        entry.name
        for entry in catalogue.rows(present=True, data_root=tmp_path)
        if entry.role != "demonstration"
    }
    assert there == {"slake", "slake_test"}


def test_the_table_has_one_line_per_card_and_counts(tmp_path: Path) -> None:
    lines = catalogue.table(catalogue.rows(task="report", data_root=tmp_path)).splitlines()
    assert lines[0].split()[:4] == ["name", "role", "access", "licence"]
    assert any(line.startswith("mimic_cxr ") and "227,835" in line and "missing" in line for line in lines)
    assert lines[-1] == f"{len(lines) - 2} cards, data present for 0"
    assert catalogue.table([]) == "no data card matches"


def test_a_total_is_not_given_where_a_split_states_no_count(tmp_path: Path) -> None:
    totals = {entry.name: entry.rows for entry in catalogue.rows(data_root=tmp_path)}
    assert totals["slake"] is None
    assert totals["vqa_med_2019"] == 14_792


def test_show_gives_the_body_and_says_what_is_not_known() -> None:
    text = catalogue.show(cards.load("pmc_oa"))
    assert text.startswith("# PMC-OA")
    assert "OpenRAIL (not read at the source)" in text
    assert "1,600,000 rows (second-hand)" in text
    assert "not known (treated as no)" in catalogue.show(cards.load("mimic_cxr"))


def test_missing_says_for_each_access_class_what_a_person_has_to_do(tmp_path: Path) -> None:
    lines = catalogue.missing(["slake", "quilt_llava_pretrain", "mimic_cxr", "chexpert_plus"], tmp_path)
    assert (
        lines[0]
        == f"slake (open): hf download BoKelvin/SLAKE --repo-type dataset --local-dir {tmp_path / 'slake'}"
    )
    assert "accept the terms at https://huggingface.co/datasets/wisdomik/Quilt-LLaVA-Pretrain" in lines[1]
    assert (
        "human-subjects training" in lines[2] and "https://physionet.org/content/mimic-cxr/2.1.0/" in lines[2]
    )
    assert "research-use agreement" in lines[3]
    (tmp_path / "slake").mkdir()
    (tmp_path / "slake" / "train.json").write_text("[]", encoding="utf-8")
    assert catalogue.missing(["slake", "slake_test"], tmp_path) == []
    with pytest.raises(RecipeError, match="unknown data card"):
        catalogue.missing(["nothing"], tmp_path)


def test_check_is_silent_where_rows_images_and_counts_agree(tmp_path: Path) -> None:
    card = made(tmp_path, rows=2)
    data(tmp_path / "data", [SLAKE_ROW, SLAKE_ROW], [])
    assert catalogue.check(card, tmp_path / "data") == []


def test_check_names_wrong_counts_missing_images_bad_rows_and_shared_groups(tmp_path: Path) -> None:
    card = made(tmp_path, rows=5)
    lost = {**SLAKE_ROW, "img_name": "xmlab7/source.jpg"}
    data(tmp_path / "data", [SLAKE_ROW, lost], [SLAKE_ROW])
    found = catalogue.check(card, tmp_path / "data")
    assert "made train: 2 rows, the card states 5" in found
    assert any("1 images are missing" in line and "xmlab7/source.jpg" in line for line in found)
    assert "made test: 1 groups are in another split too: 'xmlab0'" in found
    bad = {**SLAKE_ROW, "answer": ""}
    (tmp_path / "data" / "made" / "train.json").write_text(json.dumps([bad]), encoding="utf-8")
    assert any("train.json:1: answer: is empty" in line for line in catalogue.check(card, tmp_path / "data"))


def test_check_compares_the_checksum_that_a_card_states(tmp_path: Path) -> None:
    card = made(tmp_path)
    data(tmp_path / "data", [SLAKE_ROW, SLAKE_ROW], [])
    path = tmp_path / "data" / "made" / "train.json"
    for digest, problems in ((file_digest(path), 0), ("0" * 64, 1)):
        pinned = Split(rows=2, sha256=digest)
        block = card.lingshu.model_copy(update={"splits": {"train": pinned}})
        found = catalogue.check(card.model_copy(update={"lingshu": block}), tmp_path / "data")
        assert len([line for line in found if "sha256 differs from the card's" in line]) == problems


def test_a_pinned_revision_is_part_of_the_download_command(tmp_path: Path) -> None:
    (line,) = catalogue.missing(["supergpqa_med"], tmp_path)
    assert f"--revision {cards.load('supergpqa_med').lingshu.source.revision} --local-dir" in line


def test_check_says_how_to_get_absent_data_and_that_a_format_is_unknown(tmp_path: Path) -> None:
    assert catalogue.check(made(tmp_path), tmp_path / "data") == catalogue_how(tmp_path)
    block = made(tmp_path).lingshu.model_copy(update={"format": "slack_json"})
    unknown = made(tmp_path).model_copy(update={"lingshu": block})
    assert any("unknown format 'slack_json'" in line for line in catalogue.check(unknown, tmp_path))


def catalogue_how(tmp_path: Path) -> list[str]:
    return [f"made (open): hf download a/b --repo-type dataset --local-dir {tmp_path / 'data' / 'made'}"]


def test_check_finds_a_credentialed_card_that_does_not_forbid_services(tmp_path: Path) -> None:
    card = made(tmp_path)
    loose = card.model_copy(update={"lingshu": card.lingshu.model_copy(update={"access": "credentialed"})})
    found = catalogue.check(loose, tmp_path)
    assert "data_cards/made.md: lingshu.licence.third_party_api must be false for credentialed data" in found


def test_the_strictest_card_decides_and_is_named() -> None:
    allowed = catalogue.strictest([cards.load("slake"), cards.load("vqa_rad")])
    assert allowed.derive_weights and allowed.redistribute and allowed.commercial and not allowed.because
    mixed = catalogue.strictest([cards.load("slake"), cards.load("kvasir_vqa"), cards.load("mimic_cxr")])
    assert not (mixed.redistribute or mixed.derive_weights or mixed.third_party_api or mixed.commercial)
    assert mixed.because["redistribute"] == ("mimic_cxr (LicenseRef-PhysioNet-Credentialed-1.5.0: no)",)
    assert [reason.split()[0] for reason in mixed.because["commercial"]] == ["kvasir_vqa", "mimic_cxr"]


def test_what_is_not_known_or_was_not_read_at_the_source_counts_as_no(tmp_path: Path) -> None:
    unknown = catalogue.strictest([made(tmp_path, licence="id: MIT")])
    assert "not known, treated as no" in unknown.why("derive_weights")
    hearsay = catalogue.strictest([made(tmp_path, licence="id: MIT, derive_weights: true, unverified: true")])
    assert hearsay.why("derive_weights") == "made (MIT: not read at the source)"
    assert catalogue.strictest([made(tmp_path)]).why("derive_weights") == ""


@pytest.mark.parametrize("name", ["slake", "mimic_cxr", "cpd", "package_pydicom", "omnimedvqa"])
def test_croissant_has_what_the_standard_asks_for(name: str) -> None:
    document = catalogue.croissant(cards.load(name))
    assert document["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert {"@context", "@type", "name", "description", "url", "license", "creator"} <= set(document)
    parts = {part["@id"] for part in document["distribution"]}
    assert all(part["containedIn"]["@id"] in parts for part in document["distribution"][1:])
    assert json.loads(json.dumps(document)) == document


def test_croissant_says_what_credentialed_data_forbids() -> None:
    document = catalogue.croissant(cards.load("mimic_cxr"))
    assert "third_party_api no" in document["usageInfo"]
    assert document["conditionsOfAccess"].startswith("credentialed")


def test_every_card_passes_the_reference_validator_of_croissant(tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    for name in cards.names():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(catalogue.croissant(cards.load(name))), encoding="utf-8")
        assert not mlcroissant.Dataset(jsonld=str(path)).metadata.ctx.issues.errors, name


def test_listing_imports_no_training_library() -> None:
    code = (
        "import sys; from pathlib import Path; from lingshu_train.data import catalogue;"
        "catalogue.table(catalogue.rows(data_root=Path('x')));"
        "print([name for name in ('torch', 'transformers', 'trl', 'pyarrow') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
