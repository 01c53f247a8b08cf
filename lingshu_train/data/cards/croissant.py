"""A data card as Croissant 1.0 JSON-LD (MLCommons): what search engines and dataset tools read."""

from __future__ import annotations

import re

from pydantic import JsonValue

from lingshu_train.data.cards import patterns
from lingshu_train.data.cards.card import Card
from lingshu_train.data.cards.source import Publication
from lingshu_train.data.rows import layouts
from lingshu_train.data.rows.row import SplitFiles

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
    "parquet": "application/x-parquet",
    "txt": "text/plain",
}


def croissant(card: Card) -> dict[str, JsonValue]:
    """The card as a JSON-LD document: which files lie below the set's home, and which columns of them are read. No data
    is embedded."""
    block, url, columns = card.lingshu, home(card), _columns(card)
    return {
        "@context": context(),
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
            for permission, value in block.licence.model_dump(
                exclude={"id", "name", "unverified", "read"}
            ).items()
        ),
        "rai:dataLimitations": list(block.problems),
        "distribution": [*_distribution(card, url), *_pictures(card)],
        "recordSet": [_records(card, split, columns) for split in card.files] if columns else [],
    }


def home(card: Card) -> str:
    """The web address of a card's data set, or a name where it has none."""
    return card.lingshu.source.home


def context() -> dict[str, JsonValue]:
    """The terms of Croissant."""
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
    """A web address where there is one, else the card's own word."""
    licence, source = card.lingshu.licence, card.lingshu.source
    if card.hub.get("license_link"):
        return str(card.hub["license_link"])
    project, _, version = source.name.partition("/")
    if licence.id.startswith("LicenseRef-PhysioNet") and version:
        return f"https://physionet.org/content/{project}/view-license/{version}/"
    spdx = licence.id[0].isupper() and not licence.id.startswith("LicenseRef-") and " " not in licence.id
    return f"https://spdx.org/licenses/{licence.id}" if spdx and licence.id != "OpenRAIL" else licence.id


def _distribution(card: Card, url: str) -> list[dict[str, JsonValue]]:
    """The set's home as a repository, those of its further sources, the files that are fetched from addresses of their own, one
    part per split."""
    source = card.lingshu.source
    homes = [
        _home("home", source, url, "Where the data set lives."),
        *(
            _home(f"companion-{number}", one, one.home, "Where further files of the data set live.")
            for number, one in enumerate(source.companions)
        ),
    ]
    remote = [
        {
            **_object(f"remote-{number}", file.url, sha256=file.sha256),
            "name": file.place,
            "encodingFormat": _mime(file.place),
            **({"contentSize": f"{file.bytes} B"} if file.bytes else {}),
        }
        for number, file in enumerate(file for one in (source, *source.companions) for file in one.files)
    ]
    return [*homes, *remote, *(_part(card, split, pattern) for split, pattern in card.files.items())]


def _home(name: str, source: Publication, url: str, about: str) -> dict[str, JsonValue]:
    """A source, at the commit where one is pinned."""
    hub = source.kind == "hub"
    return {
        **_object(name, f"{url}/tree/{source.revision}" if hub and source.revision else url),
        "description": about,
        "encodingFormat": "git+https" if hub else "text/html",
    }


def _part(card: Card, split: str, pattern: str) -> dict[str, JsonValue]:
    """The file of a split, with its checksum where the card states one; a set of files where there are several."""
    stated = card.lingshu.splits.get(split)
    about: dict[str, JsonValue] = {
        "description": f"Rows of the split {split}.",
        "containedIn": {"@id": "home"},
    }
    if stated and stated.sha256 and not re.search(r"[*?{\[]", pattern):
        mine = _object(f"files-{split}", pattern, sha256=stated.sha256)
        return {**mine, **about, "encodingFormat": _mime(pattern)}
    return {
        "@type": "cr:FileSet",
        "@id": f"files-{split}",
        "name": f"files-{split}",
        **about,
        "encodingFormat": _mime(pattern),
        "includes": [*patterns.expand(pattern)],
    }


def _pictures(card: Card) -> list[dict[str, JsonValue]]:
    """The picture files of a package, each with its checksum."""
    listed = card.lingshu.fields.get("pictures")
    found = (one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ()
    files = {str(one["path"]): str(one.get("sha256", "")) for one in found}
    return [
        {
            **_object(f"picture-{number}", path, sha256=sha256),
            "name": path,
            "containedIn": {"@id": "home"},
            "encodingFormat": _mime(path),
        }
        for number, (path, sha256) in enumerate(files.items())
    ]


def _object(name: str, url: str, *, sha256: str = "") -> dict[str, JsonValue]:
    """A file. The standard asks for a checksum; where none is known it has this address as a stand-in."""
    unknown = "https://github.com/mlcommons/croissant/issues/80"
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": url,
        "sha256": sha256 or unknown,
    }


def _mime(name: str) -> str:
    return _MIME.get(name.rpartition(".")[2], "application/octet-stream")


def _columns(card: Card) -> dict[str, str]:
    """Column -> what it holds, as the card's format reads it; empty where it reads no table."""
    if not card.files:
        return {}
    found = layouts.fields(card)
    assert isinstance(found, SplitFiles), f"{card.name} has files"
    # Croissant 1.0 has no type for a list or a record of unknown keys.
    return {name: holds for name, holds in found.columns().items() if holds != "nested"}


def _records(card: Card, split: str, columns: dict[str, str]) -> dict[str, JsonValue]:
    """The rows of a split."""
    pattern, part = card.files[split], _part(card, split, card.files[split])
    kind = "fileSet" if part["@type"] == "cr:FileSet" else "fileObject"
    return {
        "@type": "cr:RecordSet",
        "@id": f"rows-{split}",
        "name": f"rows-{split}",
        "description": f"Rows of the split {split}, the columns that are read.",
        "field": [
            {
                "@type": "cr:Field",
                # An identifier holds no spaces; the column itself is named by `extract`.
                "@id": f"rows-{split}/{re.sub(r'[^A-Za-z0-9_.-]+', '_', name)}",
                "name": f"rows-{split}/{re.sub(r'[^A-Za-z0-9_.-]+', '_', name)}",
                "description": f"Column {name} as published.",
                "dataType": "sc:ImageObject"
                if holds == "image" and pattern.endswith(".parquet")
                else "sc:Text",
                "source": {kind: {"@id": part["@id"]}, "extract": _extract(pattern, name)},
            }
            for name, holds in columns.items()
        ],
    }


def _extract(pattern: str, name: str) -> dict[str, JsonValue]:
    """Where a value stands: a key of each element of a JSON list, else a column."""
    return {"jsonPath": f"$[*].'{name}'"} if pattern.endswith(".json") else {"column": name}
