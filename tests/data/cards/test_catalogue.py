"""Which cards there are, what one says, what is missing, Croissant."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import catalogue
from lingshu_train.data.cards.card import Card
from lingshu_train.data.cards.croissant import croissant
from lingshu_train.errors import RecipeError, UsageError
from lingshu_train.naming import file_digest


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


def test_the_list_holds_every_card_and_filters_narrow_it(tmp_path: Path) -> None:
    every = catalogue.rows(data_root=tmp_path)
    assert [entry.name for entry in every] == cards.names()
    fundus = {entry.name for entry in catalogue.rows(modality="Fundus photography", data_root=tmp_path)}
    assert {"papila", "brset"} <= fundus and not fundus & {"slake", "fairvlmed"}
    with pytest.raises(UsageError, match=r"'fundoscope' is none of: x-ray, .*scanning laser fundus"):
        catalogue.rows(modality="fundoscope", data_root=tmp_path)
    credentialed = {entry.name for entry in catalogue.rows(access="credentialed", data_root=tmp_path)}
    assert credentialed == {"mimic_cxr", "mimic_cxr_findings", "mimic_cxr_test", "mimic_ext_cxr_vqa", "brset"}
    both = catalogue.rows(modality="X-Ray", task="report", access="gated", data_root=tmp_path)
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
    assert there == {"slake_test"}
    (tmp_path / "slake" / "validation.json").write_text("[]", encoding="utf-8")
    assert cards.root(cards.load("slake"), tmp_path) == tmp_path / "slake"


def test_a_card_is_not_here_without_the_files_that_keep_rows_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "slake").mkdir()
    (tmp_path / "slake" / "train.json").write_text("[]", encoding="utf-8")
    assert cards.root(cards.load("slake"), tmp_path)
    assert cards.root(cards.load("slake_clean"), tmp_path) is None
    (tmp_path / "slake" / "test.json").write_text("[]", encoding="utf-8")
    assert cards.root(cards.load("slake_clean"), tmp_path) == tmp_path / "slake"


def test_the_table_has_one_line_per_card_and_counts(tmp_path: Path) -> None:
    lines = catalogue.table(catalogue.rows(task="report", data_root=tmp_path)).splitlines()
    assert lines[0].split()[:4] == ["name", "role", "access", "licence"]
    assert any(line.startswith("mimic_cxr ") and "227,835" in line and "missing" in line for line in lines)
    assert lines[-1] == f"{len(lines) - 2} cards, data present for 0"
    assert catalogue.table([]) == "no data card matches"


def test_a_total_is_not_given_where_a_split_states_no_count(tmp_path: Path) -> None:
    totals = {entry.name: entry.rows for entry in catalogue.rows(data_root=tmp_path)}
    assert totals["abdomen_us"] is None
    assert totals["slake"] == 9_835 + 2_099
    assert totals["vqa_med_2019"] == 14_792


def test_show_gives_the_body_and_says_what_is_not_known() -> None:
    text = catalogue.show(cards.load("pmc_oa"))
    assert text.startswith("# PMC-OA")
    assert "OpenRAIL (not read at the source)" in text
    assert "1,600,000 rows (second-hand)" in text
    assert re.search(r"commercial +yes, not read at the source\n", text)
    shown = catalogue.show(cards.load("mimic_cxr"))
    assert re.search(r"derive_weights +not known\n", shown) and re.search(r"third_party_api +no\n", shown)


def test_missing_says_for_each_access_class_what_a_person_has_to_do(tmp_path: Path) -> None:
    lines = catalogue.missing(["slake", "quilt_llava_pretrain", "mimic_cxr", "chexpert_plus"], tmp_path)
    assert lines[0] == f"slake (open): lingshu data fetch slake --yes --data-root {tmp_path}"
    assert "accept the terms at https://huggingface.co/datasets/wisdomik/Quilt-LLaVA-Pretrain" in lines[1]
    assert (
        "human-subjects training" in lines[2] and "https://physionet.org/content/mimic-cxr/2.1.0/" in lines[2]
    )
    assert "research-use agreement" in lines[3]
    (tmp_path / "slake").mkdir()
    (tmp_path / "slake" / "train.json").write_text("[]", encoding="utf-8")
    assert [line.split()[0] for line in catalogue.missing(["slake", "slake_test"], tmp_path)] == [
        "slake_test"
    ]
    with pytest.raises(RecipeError, match="unknown data card"):
        catalogue.missing(["nothing"], tmp_path)


def test_a_card_whose_publisher_may_change_the_data_is_marked(tmp_path: Path) -> None:
    revisions = {entry.name: entry.revision for entry in catalogue.rows(data_root=tmp_path)}
    assert revisions["kvasir_vqa"] == "unpinned"
    assert revisions["supergpqa_med"] == cards.load("supergpqa_med").lingshu.source.revision
    assert revisions["synth_vqa"] == "", "what is published nowhere has no revision to pin"
    (line,) = [
        line
        for line in catalogue.table(catalogue.rows(data_root=tmp_path)).splitlines()
        if "kvasir_vqa " in line
    ]
    assert "unpinned" in line


@pytest.mark.parametrize("name", ["slake", "mimic_cxr", "cpd", "package_pydicom", "omnimedvqa"])
def test_croissant_has_what_the_standard_asks_for(name: str) -> None:
    document = croissant(cards.load(name))
    assert document["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert {"@context", "@type", "name", "description", "url", "license", "creator"} <= set(document)
    parts = {part["@id"] for part in document["distribution"]}
    assert all(part["containedIn"]["@id"] in parts for part in document["distribution"][1:])
    assert json.loads(json.dumps(document)) == document


def test_croissant_says_what_credentialed_data_forbids() -> None:
    document = croissant(cards.load("mimic_cxr"))
    assert "third_party_api no" in document["usageInfo"]
    assert document["conditionsOfAccess"].startswith("credentialed")


def test_croissant_names_the_columns_that_a_format_reads_and_the_checksums_that_a_card_states() -> None:
    document = croissant(cards.load("pmc_vqa"))
    (records,) = document["recordSet"]
    assert {field["source"]["extract"]["column"] for field in records["field"]} >= {"Question", "Choice A"}
    (rows,) = [part for part in document["distribution"] if part["@id"] == "files-train"]
    assert rows["contentUrl"] == "train_2.csv"
    assert rows["sha256"] == cards.load("pmc_vqa").lingshu.splits["train"].sha256
    embedded = croissant(cards.load("vqa_rad"))["recordSet"][0]["field"]
    assert {field["dataType"] for field in embedded} == {"sc:ImageObject", "sc:Text"}
    assert croissant(cards.load("mimic_cxr"))["license"].startswith(
        "https://physionet.org/content/mimic-cxr/"
    )
    assert croissant(cards.load("slake"))["license"] == "https://spdx.org/licenses/CC-BY-4.0"


def test_croissant_of_package_pictures_has_the_checksum_of_every_file() -> None:
    card = cards.load("package_mahotas")
    listed = {one["path"]: one["sha256"] for one in card.lingshu.fields["pictures"]}
    parts = {part["contentUrl"]: part["sha256"] for part in croissant(card)["distribution"]}
    assert listed.items() <= parts.items()


def test_every_card_passes_the_reference_validator_of_croissant(tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    for name in cards.names():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(croissant(cards.load(name))), encoding="utf-8")
        try:
            issues = mlcroissant.Dataset(jsonld=str(path)).metadata.ctx.issues
        except mlcroissant.ValidationError as fault:
            pytest.fail(f"{name}: {fault}")
        assert not issues.errors, name


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("slake", [{"img_name": "a.png", "question": "q", "answer": "Yes"}]),
        ("medical_o1_verifiable", [{"Open-ended Verifiable Question": "q", "Ground-True Answer": "a"}]),
    ],
)
def test_the_reference_reader_of_croissant_reads_the_columns_of_a_file(
    name: str, rows: list[dict[str, str]], tmp_path: Path
) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    document = croissant(cards.load(name))
    (records,) = [one for one in document["recordSet"] if one["@id"] == "rows-train"]
    records["field"] = [one for one in records["field"] if _column(one) in rows[0]]
    for one in records["field"]:
        one["source"] = {"fileObject": {"@id": "files-train"}, "extract": one["source"]["extract"]}
    (tmp_path / "train.json").write_text(json.dumps(rows), encoding="utf-8")
    part = {
        "@type": "cr:FileObject",
        "@id": "files-train",
        "name": "files-train",
        "contentUrl": str(tmp_path / "train.json"),
        "encodingFormat": "application/json",
        "sha256": file_digest(tmp_path / "train.json"),
    }
    document |= {"distribution": [part], "recordSet": [records]}
    (tmp_path / "card.json").write_text(json.dumps(document), encoding="utf-8")
    (read,) = mlcroissant.Dataset(jsonld=str(tmp_path / "card.json")).records("rows-train")
    assert {value.decode() for value in read.values()} == set(rows[0].values())


def _column(field: dict[str, dict[str, dict[str, str]]]) -> str:
    return field["source"]["extract"]["jsonPath"].removeprefix("$[*].").strip("'")


def test_listing_imports_no_training_library() -> None:
    code = (
        "import sys; from pathlib import Path; from lingshu_train.data.cards import catalogue;"
        "catalogue.table(catalogue.rows(data_root=Path('x')));"
        "print([name for name in ('torch', 'transformers', 'trl', 'pyarrow') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_the_evidence_of_each_card_is_listed_with_a_count_of_the_classes(tmp_path: Path) -> None:
    every = catalogue.rows(data_root=tmp_path)
    lines = catalogue.evidence(every).splitlines()
    assert lines[0].split() == ["name", "role", "evidence", "read", "rests", "on"]
    (line,) = [line for line in lines if line.startswith("mhsma ")]
    assert re.match(r"mhsma +training +real_bytes +\d{4}-\d{2}-\d{2} +\S", line)
    counted = dict(re.findall(r"(\w+) (\d+)", lines[-1].partition(": ")[2]))
    assert sum(map(int, counted.values())) == len(every) == len(lines) - 2
    real = catalogue.rows(rests_on="real_bytes", data_root=tmp_path)
    assert {"mhsma", "bccd"} <= {entry.name for entry in real} and len(real) == int(counted["real_bytes"])
    with pytest.raises(UsageError, match="'hearsay' is none of: real_bytes, publisher_code"):
        catalogue.rows(rests_on="hearsay", data_root=tmp_path)
    assert catalogue.evidence([]) == "no data card matches"


def test_show_says_what_the_account_of_the_files_rests_on() -> None:
    assert re.search(
        r"\nrests on +real_bytes, read \d{4}-\d{2}-\d{2}: \S", catalogue.show(cards.load("mhsma"))
    )
