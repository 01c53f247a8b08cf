"""The bill of materials: what the official schema takes, with the hashes and licences of the run's own records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import paper_run
import pytest

from lingshu_train.data.cards import card as cards
from lingshu_train.model.origin import Origin
from lingshu_train.naming import file_digest
from lingshu_train.papers import _known, _licence, _writing, sbom
from lingshu_train.runs import packages
from lingshu_train.runs.files import write_json

ALL = ("archive", "open_set", "ward")
HUB = Origin(kind="hub", name="someone/base", commit="C" * 40, weights="d" * 64)


def bill(folder: Path) -> dict[str, Any]:
    return json.loads(json.dumps(sbom.document(_known.known(folder)).data))


def refused(data: dict[str, Any]) -> list[str]:
    """What the official schema of CycloneDX 1.6 refuses; the library carries it."""
    pytest.importorskip(
        "cyclonedx", reason="cyclonedx-python-lib, which carries the schema, is not installed"
    )
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(data), all_errors=True)
    return [str(one) for one in found or ()]


@pytest.mark.parametrize("until", paper_run.NAMES)
@pytest.mark.parametrize("origin", [None, HUB])
def test_the_official_schema_takes_it_however_far_the_run_is(
    until: str, origin: Origin | None, tmp_path: Path
) -> None:
    with paper_run.built(tmp_path, sets=ALL, until=until, origin=origin) as folder:
        assert refused(bill(folder)) == []


def test_the_official_schema_would_refuse_another_word() -> None:
    assert refused(
        {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "model", "name": "a"}]}
    )


def test_every_reference_leads_to_a_part_and_every_part_has_one(tmp_path: Path) -> None:
    with paper_run.built(tmp_path, sets=ALL) as folder:
        found = bill(folder)
    refs = [part["bom-ref"] for part in found["components"]]
    assert len(set(refs)) == len(refs)
    (tree,) = found["dependencies"]
    assert tree == {"ref": "model", "dependsOn": refs}
    model = found["metadata"]["component"]
    assert model["bom-ref"] == "model" and model["type"] == "machine-learning-model"
    assert {one["ref"] for one in model["modelCard"]["modelParameters"]["datasets"]} <= set(refs)


def test_weights_and_corpora_stand_with_the_hashes_of_their_files(tmp_path: Path) -> None:
    with paper_run.built(tmp_path) as folder:
        found = bill(folder)
        weights = {
            one["name"]: one["hashes"][0]["content"] for one in found["metadata"]["component"]["components"]
        }
        (exported,) = folder.glob("export-*/export/model.safetensors")
        assert weights["export/export/model.safetensors"] == file_digest(exported)
        corpus = next(part for part in found["components"] if part["bom-ref"] == "corpus:data")
        for one in corpus["components"]:
            (path,) = folder.glob(f"data-*/{one['name']}")
            assert one["hashes"] == [{"alg": "SHA-256", "content": file_digest(path)}]


def test_a_data_set_has_its_licence_its_place_and_what_was_read_of_it(tmp_path: Path) -> None:
    with paper_run.built(tmp_path, sets=ALL) as folder:
        parts = {part["bom-ref"]: part for part in bill(folder)["components"]}
    public, archive = parts["data:open_set"], parts["data:archive"]
    assert public["licenses"] == [{"license": {"id": "CC-BY-4.0"}}]
    assert public["version"] == "a" * 40
    assert public["data"][0]["contents"] == {"url": "https://huggingface.co/datasets/someone/open-set"}
    told = {(one["name"], one["value"]) for one in public["properties"]}
    assert {("lingshu:open_to_training/rows", "4"), ("lingshu:used_for", "evaluation")} <= told
    assert archive["licenses"] == [{"license": {"name": "LicenseRef-PhysioNet-Credentialed-1.5.0"}}]
    assert archive["data"][0]["sensitiveData"] and "sensitiveData" not in public["data"][0]


def test_packages_are_those_that_the_run_recorded(tmp_path: Path) -> None:
    with paper_run.built(tmp_path) as folder:
        document = sbom.document(_known.known(folder))
    found = {
        part["purl"]: part for part in json.loads(json.dumps(document.data))["components"] if "purl" in part
    }
    assert list(found) == ["pkg:pypi/numpy@2.4.6", "pkg:pypi/packaging@26.0", "pkg:pypi/torch@2.13.0%2Bcpu"]
    licences = [part["licenses"] for part in found.values()]
    assert licences == [
        [{"license": {"id": "BSD-3-Clause"}}],
        [{"expression": "Apache-2.0 OR BSD-2-Clause"}],
        [{"license": {"name": "BSD"}}],
    ]
    assert document.gaps == (
        "supplier and manufacturer of the model, with their contact",
        "licence under which the model is given on",
    )


def test_a_run_that_recorded_ten_packages_says_so(tmp_path: Path) -> None:
    with paper_run.built(tmp_path) as folder:
        for path in folder.glob("*/manifest.json"):
            data = json.loads(path.read_text(encoding="utf-8"))
            del data["installed"]
            write_json(path, data)
        document = sbom.document(_known.known(folder))
    assert any("recorded ten of them" in gap for gap in document.gaps)
    purls = [part.get("purl") for part in document.data["components"]]  # type: ignore[union-attr]
    assert "pkg:pypi/transformers@5.23.0" in purls


def test_the_same_run_has_the_same_bill_and_another_has_another_number(tmp_path: Path) -> None:
    with paper_run.built(tmp_path / "a") as folder:
        first, again = bill(folder), bill(folder)
    with paper_run.built(tmp_path / "b", sets=("ward",)) as folder:
        other = bill(folder)
    assert first == again
    assert first["serialNumber"] != other["serialNumber"]


def test_the_base_model_is_an_ancestor_with_its_commit(tmp_path: Path) -> None:
    with paper_run.built(tmp_path, origin=HUB) as folder:
        pedigree = bill(folder)["metadata"]["component"]["pedigree"]
    (ancestor,) = pedigree["ancestors"]
    assert ancestor["purl"] == f"pkg:huggingface/someone/base@{'c' * 40}"


def test_no_row_and_no_place_of_this_machine_is_in_it(tmp_path: Path) -> None:
    with paper_run.built(tmp_path, sets=ALL) as folder:
        text = json.dumps(bill(folder))
    assert paper_run.SECRET not in text and str(tmp_path) not in text


def test_the_schema_takes_every_card_that_comes_with_lingshu(tmp_path: Path) -> None:
    with paper_run.built(tmp_path, until="data") as folder:
        known = _known.known(folder)
    loaded = [cards.load(name) for name in cards.names()]
    sources = [_known.Source(name=card.name, card=card, licence="", changed=False) for card in loaded]
    parts: list[dict[str, Any]] = [sbom._data(known, one) for one in sources]
    assert refused({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": parts}) == []
    hashed = {part["name"] for part in parts if part["components"]}
    assert {"SLAKE", "pydicom test files"} <= hashed, "checksums that cards state are in it"


def test_the_schema_takes_the_licence_of_every_package_that_is_installed() -> None:
    stated = {one.licence for one in packages.installed().values()}
    parts = [
        {
            "type": "data",
            "name": name or "none",
            **({"licenses": found} if (found := _licence.licences(name)) else {}),
        }
        for name in sorted(stated)
    ]
    assert refused({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": parts}) == []


def test_every_identifier_in_our_list_is_one_of_spdx() -> None:
    parts = [
        {"type": "data", "name": name, "licenses": [{"license": {"id": name}}]}
        for name in sorted(_licence.SPDX)
    ]
    assert set(_licence.NAMES.values()) <= _licence.SPDX
    assert refused({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": parts}) == []


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ("", []),
        ("MIT License", [{"license": {"id": "MIT"}}]),
        ("BSD", [{"license": {"name": "BSD"}}]),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", [{"expression": "MPL-2.0 AND (Apache-2.0 OR MIT)"}]),
        ("Apache-2.0 WITH LLVM-exception", [{"expression": "Apache-2.0 WITH LLVM-exception"}]),
        ("MIT OR whatever", [{"license": {"name": "MIT OR whatever"}}]),
    ],
)
def test_a_licence_is_told_as_far_as_its_name_says_which_it_is(stated: str, told: list[object]) -> None:
    assert _licence.licences(stated) == told


def test_a_person_can_read_what_it_lacks_in_the_file_and_on_the_terminal(tmp_path: Path) -> None:
    with paper_run.built(tmp_path) as folder:
        (written,) = _writing.write(folder, only=["sbom"])
    properties = json.loads(written.path.read_text(encoding="utf-8"))["metadata"]["properties"]
    assert tuple(one["value"] for one in properties) == written.gaps
    assert str(written) == f"{written.path}: 2 to be written"
