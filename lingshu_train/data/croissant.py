"""A data card as Croissant 1.0 JSON-LD (MLCommons): what search engines and dataset tools read."""

from __future__ import annotations

import re
from typing import Any

from lingshu_train.data.card import Card

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
_TERMS = (
    "citeAs column equivalentProperty extract field fileProperty fileObject fileSet format includes "
    "isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace "
    "samplingRate separator source subField transform"
)
_PERMISSION = {True: "yes", False: "no", None: "not known"}
_MIME = {
    "json": "application/json",
    "jsonl": "application/jsonlines",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "txt": "text/plain",
}


def croissant(card: Card) -> dict[str, Any]:
    """The card as a JSON-LD document. It says which files lie below the set's home; no data is embedded."""
    block, url = card.lingshu, home(card)
    return {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": card.name,
        "alternateName": card.title,
        "description": " ".join(card.body.split()),
        "url": url,
        "license": _licence(card),
        "creator": [{"@type": "sc:Organization", "name": name} for name in block.creators or ("not known",)],
        **({"datePublished": str(block.year)} if block.year else {}),
        **({"version": version} if (version := _version(card)) else {}),
        "keywords": [*block.modality, *block.body_part, *block.task],
        "inLanguage": list(block.language),
        "isLiveDataset": False,
        **({"citeAs": "; ".join(block.citations)} if block.citations else {}),
        "conditionsOfAccess": f"{block.access}: {block.source.how_to_get or url}",
        "usageInfo": "; ".join(
            f"{permission} {_PERMISSION[value]}"
            for permission, value in block.licence.model_dump(exclude={"id", "name", "unverified"}).items()
        ),
        "rai:dataLimitations": list(block.problems),
        "distribution": _distribution(card, url),
        "recordSet": [],
    }


def home(card: Card) -> str:
    """The web address of a card's data set, or a name where it has none."""
    source = card.lingshu.source
    if source.url:
        return source.url
    return {
        "hub": f"https://huggingface.co/datasets/{source.name}",
        "physionet": f"https://physionet.org/content/{source.name}/",
        "http": source.name,
        "package": f"urn:python-package:{source.name}",
        "local": f"urn:local-data:{source.name}",
    }[source.kind]


def _context() -> dict[str, Any]:
    return {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        "conformsTo": "dct:conformsTo",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        **{term: f"cr:{term}" for term in _TERMS.split()},
    }


def _version(card: Card) -> str:
    """Croissant takes semantic versions only; a hub commit is no version."""
    revision = card.lingshu.source.revision.rpartition("=")[2]
    return revision if re.fullmatch(r"\d+\.\d+\.\d+", revision) else ""


def _licence(card: Card) -> str:
    licence = card.lingshu.licence
    spdx = licence.id[0].isupper() and not licence.id.startswith("LicenseRef-") and " " not in licence.id
    return f"https://spdx.org/licenses/{licence.id}" if spdx and licence.id != "OpenRAIL" else licence.id


def _distribution(card: Card, url: str) -> list[dict[str, Any]]:
    """The set's home as a repository, and one file set per split below it."""
    files = card.lingshu.fields.get("files", {})
    sets = [
        {
            "@type": "cr:FileSet",
            "@id": f"files-{split}",
            "name": f"files-{split}",
            "description": f"Rows of the split {split}.",
            "containedIn": {"@id": "home"},
            "encodingFormat": _MIME.get(str(pattern).rpartition(".")[2], "application/octet-stream"),
            "includes": str(pattern),
        }
        for split, pattern in (files.items() if isinstance(files, dict) else ())
    ]
    repository = {
        "@type": "cr:FileObject",
        "@id": "home",
        "name": "home",
        "description": "Where the data set lives.",
        "contentUrl": url,
        "encodingFormat": "git+https" if card.lingshu.source.kind == "hub" else "text/html",
        "sha256": "https://github.com/mlcommons/croissant/issues/80",
    }
    return [repository, *sets]
