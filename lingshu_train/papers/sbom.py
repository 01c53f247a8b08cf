"""A bill of materials in CycloneDX 1.6 (ECMA-424): the model, the data behind it and the packages it was made with."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from pydantic import JsonValue

from lingshu_train.data.cards.card import Card
from lingshu_train.naming import digest, file_digest
from lingshu_train.papers import _about_data, _about_results, _about_training
from lingshu_train.papers._known import Known, Source
from lingshu_train.papers._licence import licences
from lingshu_train.papers._machine import Document
from lingshu_train.runs.manifest import Manifest
from lingshu_train.runs.packages import Package
from lingshu_train.runs.results import ALL

FILE = "sbom.cdx.json"
SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
DESCRIPTION = "Vision-language model for research on medical images. Not a medical device."
MODEL = "model"
"""The reference of the model in the document."""
_NAMESPACE = uuid.UUID("6f0c4c1e-3f5e-4f0b-9d5e-0f6c3d1c2b6a")
"""Under which a bill's serial number is derived from the run, so that the same run has the same."""

Part = dict[str, JsonValue]


def document(known: Known) -> Document:
    """The whole bill. What it lacks is told beside it, and in its metadata."""
    packages, complete = _packages(known)
    data = [*(_data(known, one) for one in _cards(known)), *(_corpus(made) for made in known.corpora)]
    parts = [*data, *_ours(known), *(_package(name, one) for name, one in packages)]
    gaps = tuple(_gaps(known, complete=complete))
    refs: list[JsonValue] = [part["bom-ref"] for part in parts]
    bill: Part = {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, digest([known.view.run.plan, parts]))}",
        "version": 1,
        "metadata": _metadata(known, gaps),
        "components": [*parts],
        "dependencies": [{"ref": MODEL, "dependsOn": refs}],
        # Libraries of the system, drivers and firmware are not among the parts.
        "compositions": [{"aggregate": "incomplete", "assemblies": [MODEL]}],
    }
    return Document(data=bill, gaps=gaps)


def _gaps(known: Known, *, complete: bool) -> Iterator[str]:
    yield "supplier and manufacturer of the model, with their contact"
    yield "licence under which the model is given on"
    if known.export:
        yield "the packages that it was made with, its results and the size of its data: the run is not here"
    elif not known.lineage:
        yield "the model: no training stage has finished"
    if not complete:
        yield (
            "the packages that were installed: the run is of a version that recorded ten of them; add those of its environment"
        )
    for name in (one.name for one in _cards(known) if one.card is None):
        yield f"source, licence and version of the data set {name}: its card is not here"


def _metadata(known: Known, gaps: Sequence[str]) -> Part:
    version = known.lineage[-1].stage.version if known.lineage else ""
    tool: Part = {"type": "application", "name": "lingshu-train", **({"version": version} if version else {})}
    return {
        **({"timestamp": known.finished} if known.finished else {}),
        "lifecycles": [{"phase": "post-build"}],
        "tools": {"components": [tool]},
        "component": _model(known),
        "properties": [*_properties("to_be_written", gaps)],
    }


def _model(known: Known) -> Part:
    stage = known.model
    made: Part = {
        "type": "machine-learning-model",
        "bom-ref": MODEL,
        "name": f"{stage.run}-{stage.name}" if stage else known.view.run.recipe,
    }
    if known.export:
        names = (path for path in sorted(known.view.run.path.iterdir()) if path.is_file())
        files = [_file(path.name, file_digest(path)) for path in names]
        return {**made, "description": DESCRIPTION, "components": [*files]}
    if stage is None:
        return made
    return {
        **made,
        "version": stage.content[:12],
        "description": DESCRIPTION,
        "modelCard": _card(known),
        "pedigree": _pedigree(known),
        "properties": [*_properties("content", [stage.content]), *_properties("plan", [known.view.run.plan])],
        "components": [*_weights(known)],
    }


def _weights(known: Known) -> Iterator[Part]:
    """The files of the export, or of the model where none is exported."""
    exports = [made for made in known.view.manifests if made.stage.about.role == "export"]
    for made in (exports or list(known.lineage))[-1:]:
        for name, sha256 in made.files.items():
            if name.startswith(("export/", "model/")):
                yield _file(f"{made.stage.name}/{name}", sha256)


def _file(name: str, sha256: str) -> Part:
    return {"type": "file", "name": name, "hashes": [{"alg": "SHA-256", "content": sha256}]}


def _card(known: Known) -> Part:
    kind = "reinforcement-learning" if _about_training.writes_itself(known) else "supervised"
    limits: list[JsonValue] = [*_about_results.leaks(known), *_about_data.problems(known.training)]
    return {
        "modelParameters": {
            "approach": {"type": kind},
            "task": "questions about medical images, answered in text",
            "modelArchitecture": str(known.model.model.get("family") if known.model else ""),
            "datasets": [{"ref": _ref(one)} for one in known.training],
            "inputs": [{"format": "image"}, {"format": "text"}],
            "outputs": [{"format": "text"}],
        },
        "quantitativeAnalysis": {"performanceMetrics": [*_metrics(known)]},
        "considerations": {"technicalLimitations": limits},
    }


def _metrics(known: Known) -> Iterator[Part]:
    name = known.model.name if known.model else ""
    for task, one in known.view.results.models.get(name, {}).items():
        yield {
            "type": "accuracy",
            "value": f"{one.accuracy:.4f}",
            "slice": f"{'all tasks' if task == ALL else task}, {one.n} questions",
            "confidenceInterval": {"lowerBound": f"{one.low:.4f}", "upperBound": f"{one.high:.4f}"},
        }


def _pedigree(known: Known) -> Part:
    start = known.origin
    if start is None:
        return {
            "notes": "Started from random weights."
            if known.rooted
            else "What it was started from is not known here."
        }
    ancestor: Part = {"type": "machine-learning-model", "name": start.name}
    if start.kind == "hub":
        at = f"@{start.commit.lower()}" if start.commit else ""
        ancestor |= {"purl": f"pkg:huggingface/{quote(start.name)}{at}"}
    if start.commit:
        ancestor |= {"version": start.commit}
    if start.weights:
        ancestor |= {"properties": [*_properties("weights_sha256", [start.weights])]}
    return {"ancestors": [ancestor]}


def _cards(known: Known) -> list[Source]:
    """Of training and of evaluation, each once."""
    return list({one.name: one for one in (*known.training, *known.evaluation, *known.idle)}.values())


def _ref(one: Source) -> str:
    return f"data:{one.name}"


def _data(known: Known, one: Source) -> Part:
    """A data set as its publisher has it."""
    made: Part = {"type": "data", "bom-ref": _ref(one), "name": one.title}
    if one.card is None:
        return {**made, "licenses": licences(one.licence)}
    block, name = one.card.lingshu, one.card.name
    found = known.counted.get(name)
    about: Part = {
        "type": "dataset",
        "name": one.title,
        "classification": block.access,
        "contents": {"url": block.source.home},
    }
    if block.access == "credentialed":
        about |= {"sensitiveData": ["Data of patients, given to persons whom the publisher has approved."]}
    counts = (("rows", found.rows), ("pictures", found.pictures), ("groups", found.groups)) if found else ()
    use = [
        word
        for word, among in (("training", known.training), ("evaluation", known.evaluation))
        if one in among
    ]
    return {
        **made,
        **({"version": block.source.revision} if block.source.revision else {}),
        "licenses": licences(block.licence.id),
        "data": [about],
        "components": [*_stated(one.card)],
        "properties": [
            *_properties("card", [name]),
            *_properties("card_digest", [one.card.digest]),
            *_properties("used_for", use),
            *_properties("licence_read_at_the_source", ["no" if block.licence.unverified else "yes"]),
            *(
                prop
                for key, number in counts
                for prop in _properties(f"open_to_training/{key}", [str(number)])
            ),
        ],
    }


def _stated(card: Card) -> Iterator[Part]:
    """The publisher's files whose checksum the card states: of splits, of downloads, of a package's pictures."""
    block = card.lingshu
    files = {card.files.get(split, split): stated.sha256 for split, stated in block.splits.items()}
    files |= {
        each.place: each.sha256 for one in (block.source, *block.source.companions) for each in one.files
    }
    listed = block.fields.get("pictures")
    pictures = (one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ()
    files |= {str(one["path"]): str(one.get("sha256", "")) for one in pictures}
    return (_file(name, sha256) for name, sha256 in files.items() if sha256)


def _corpus(made: Manifest) -> Part:
    """What the run itself made of the data sets and read from then on: its own files, each with its hash."""
    fingerprint = str(made.results.get("fingerprint", ""))
    return {
        "type": "data",
        "bom-ref": f"corpus:{made.stage.name}",
        "name": f"corpus {made.stage.name}",
        "version": made.stage.content[:12],
        "data": [{"type": "dataset", "name": f"prepared by the stage {made.stage.name}"}],
        "components": [_file(name, sha256) for name, sha256 in made.files.items()],
        "properties": [*_properties("fingerprint", [fingerprint] if fingerprint else [])],
    }


def _packages(known: Known) -> tuple[list[tuple[str, Package]], bool]:
    """Every package of every environment, and whether the run recorded all of them."""
    found: dict[tuple[str, str], tuple[str, Package]] = {}
    for made in known.environments:
        listed = made.installed or {
            name: Package(version=version) for name, version in made.environment.packages.items()
        }
        found.update({(name, one.version): (name, one) for name, one in listed.items()})
    complete = all(made.installed for made in known.environments)
    return [one for (name, _), one in sorted(found.items()) if name != "lingshu-train"], complete


def _package(name: str, one: Package) -> Part:
    purl = f"pkg:pypi/{name}@{quote(one.version)}"
    stated = licences(one.licence)
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": one.version,
        "purl": purl,
        **({"licenses": stated} if stated else {}),
    }


def _ours(known: Known) -> list[Part]:
    """lingshu-train itself, at the commit that ran, and the Python that ran it."""
    made = next(iter(known.environments), None)
    if made is None:
        return []
    here = made.environment
    ours: Part = {
        "type": "application",
        "bom-ref": "lingshu-train",
        "name": "lingshu-train",
        "version": made.stage.version,
        "licenses": licences("Apache-2.0"),
        "modified": here.uncommitted_changes,
        "properties": [*_properties("commit", [here.commit] if here.commit else [])],
    }
    python: Part = {
        "type": "platform",
        "bom-ref": "python",
        "name": "Python",
        "version": here.python,
        "licenses": licences("PSF-2.0"),
    }
    return [ours, python]


def _properties(name: str, values: Sequence[str]) -> Iterator[Part]:
    """Of our own namespace, as CycloneDX has it for what its schema does not know."""
    return ({"name": f"lingshu:{name}", "value": value} for value in values)
