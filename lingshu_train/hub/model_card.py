"""The model card: everything a reader of the repository must know, written from the manifests alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

import yaml

from lingshu_train.data.cards import licences
from lingshu_train.data.cards.card import Card
from lingshu_train.model import base as bases
from lingshu_train.model import origin as origins
from lingshu_train.model import shape
from lingshu_train.model.origin import Origin
from lingshu_train.runs import results, run
from lingshu_train.runs.flat import scalars
from lingshu_train.runs.manifest import Manifest
from lingshu_train.runs.results import ALL, Accuracy, Results

TEMPLATE = Path(__file__).with_name("model_card.md")
HIDDEN = ("kind", "data", "base", "save_every", "keep", "loader_workers")
"""Settings that do not change what was learned, or stand elsewhere in the card."""


def render(manifests: Sequence[Manifest], cards: Sequence[Card]) -> str:
    """Markdown with the hub's front matter.

    `manifests` are those of the stages that the model descends from, oldest first, with its evaluation;
    `cards` are the data cards they name. Results are read from the evaluation's folder.
    """
    trained = [made for made in manifests if made.stage.about.trains]
    last = trained[-1] if trained else manifests[-1]
    named = run.trained_on({made.stage.name: made.stage for made in manifests}, last.stage.name)
    used = [card for card in cards if card.name in named]
    start = _origin(trained)
    measured = _measured(manifests)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        front_matter=yaml.safe_dump(front_matter(start, used, trained), sort_keys=False, allow_unicode=True),
        title=f"{last.stage.run}: {last.stage.name}",
        origin=_started(start),
        stages=", ".join(f"{made.stage.name} ({made.stage.kind})" for made in trained) or "no training stage",
        results=_results(measured, last.stage.name),
        usage=shape.usage(str(last.stage.model["family"])),
        settings="\n\n".join(_settings(made) for made in trained),
        data=_data(used),
        restrictions=_restrictions(used),
        run=last.stage.run,
        version=last.stage.version,
        commit=f"commit `{last.environment.commit}`" if last.environment.commit else "commit not recorded",
        checkout=f"git checkout {last.environment.commit}\n" if last.environment.commit else "",
        environment=_environment(last),
        hashes=_table(("stage", "content", "finished"), (_hash_row(made) for made in manifests)),
    )


def front_matter(
    start: Origin | None, cards: Sequence[Card], trained: Sequence[Manifest]
) -> dict[str, object]:
    """The hub's own keys. The licence is open only where nothing else binds the weights."""
    found: dict[str, object] = {}
    if start and start.kind == "hub":
        found |= {"base_model": start.name, "base_model_relation": "finetune"}
    if licences.terms(cards).free and start is None:
        found["license"] = "apache-2.0"
    else:
        found |= {"license": "other", "license_name": "terms-of-the-base-model-and-the-data"}
        found["license_link"] = "README.md"
    datasets = [card.lingshu.source.name for card in cards if card.lingshu.source.kind == "hub"]
    if datasets:
        found["datasets"] = sorted(set(datasets))
    found["language"] = sorted({language for card in cards for language in card.lingshu.language}) or ["en"]
    kinds = dict.fromkeys(made.stage.kind for made in trained)
    return {
        **found,
        "pipeline_tag": "image-text-to-text",
        "library_name": "transformers",
        "tags": ["medical", "vision-language", "lingshu-train", *kinds],
    }


def _origin(trained: Sequence[Manifest]) -> Origin | None:
    """What the first training stage started from, as it was recorded; None for random weights.

    A run of a version that did not record it tells the recipe's words alone. They name a model of the hub only where no folder
    is called so.
    """
    if not trained or trained[0].stage.about.starts_from:
        return None
    recorded = origins.read(trained[0].results)
    base = str(trained[0].stage.model.get("base") or "")
    if recorded or not base:
        return recorded
    hub = base.count("/") == 1 and bases.REPOSITORY.fullmatch(base) and not Path(base).exists()
    return Origin(kind="hub" if hub else "folder", name=base if hub else Path(base).name)


def _started(start: Origin | None) -> str:
    if start is None:
        return "started from random weights"
    if start.kind == "hub":
        at = f" at commit `{start.commit}`" if start.commit else ""
        return f"started from [{start.name}](https://huggingface.co/{start.name}){at}"
    weights = f" with weights of sha256 `{start.weights[:12]}`" if start.weights else ""
    ours = f", the export of a run of `{start.run}` (content `{start.content[:12]}`)" if start.run else ""
    says = f", whose own files name {start.says} as what it was made from" if start.says else ""
    name = start.name.replace("`", "'")
    return f"started from a model in a local folder, `{name}`{weights}{ours}{says}"


def _measured(manifests: Sequence[Manifest]) -> Results:
    """Of every model, in the order of the stages that made them, as in the report; a base that no stage made comes first."""
    models: dict[str, dict[str, Accuracy]] = {}
    for made in manifests:
        if made.stage.about.role == "results":
            models |= results.read(made.stage.path).models
    order = {made.stage.name: place for place, made in enumerate(manifests)}
    return Results(models=dict(sorted(models.items(), key=lambda item: order.get(item[0], -1))))


def _results(measured: Results, model: str) -> str:
    if model not in measured.models:
        return "Not evaluated."
    names = list(measured.models)
    rows = []
    for task in measured.tasks:
        known = {name: measured.models[name].get(task) for name in names}
        first = next(each for each in known.values() if each)
        label = "**all tasks**" if task == ALL else task.replace("_", " ")
        rows.append(
            (label, str(first.n), f"{100 * first.constant:.1f}", *(_cell(known[name]) for name in names))
        )
    heads = ("task", "n", "best constant answer", *names)
    note = (
        "Accuracy in percent on held-out questions, with 95 % Wilson intervals. Greedy decoding, without penalties or other "
        "settings: those that the base model may have been published with are neither applied nor passed on. Held out "
        "means other volumes, patients or pictures of the same data: no benchmark, and no word on other data."
    )
    return f"{_table(heads, rows)}\n\n{note}"


def _cell(measured: Accuracy | None) -> str:
    if measured is None:
        return "–"
    return f"{100 * measured.accuracy:.1f} ({100 * measured.low:.1f}–{100 * measured.high:.1f})"


def _settings(made: Manifest) -> str:
    config = {key: value for key, value in made.stage.config.items() if key not in HIDDEN}
    rows = [*scalars(config), ("seed", str(made.stage.seed)), ("processes", str(made.stage.world_size))]
    rows += [
        ("precision", str(made.stage.model.get("dtype", ""))),
        ("sharding", made.stage.cluster.deepspeed),
    ]
    return f"### {made.stage.name} ({made.stage.kind})\n\n" + _table(("setting", "value"), rows)


def _data(cards: Sequence[Card]) -> str:
    heads = ("data card", "source", "access", "licence", "weights may be published", "commercial use")
    rows = []
    for card in cards:
        about = card.lingshu
        source = f"{about.source.kind}: {about.source.name} {about.source.revision}".strip()
        rows.append(
            (
                card.title,
                source,
                about.access,
                str(about.licence),
                licences.said(card, "derive_weights"),
                licences.said(card, "commercial"),
            )
        )
    return _table(heads, rows) if rows else "No data card is recorded."


def _restrictions(cards: Sequence[Card]) -> str:
    terms = licences.terms(cards)
    if terms.free:
        return "Every data card of this model allows any use."
    lines = [
        (terms.forbidding, "Not to be published at all, because of: {}."),
        (terms.unclear, "Not to be made public, since it is not known whether the data allows it: {}."),
        (terms.limited, "Not for commercial use, because of: {}."),
        (terms.closed, "Trained on data that is not open to all ({}): its terms bind the users too."),
    ]
    found = [line.format(", ".join(card.title for card in some)) for some, line in lines if some]
    return " ".join(found) or "No data card is recorded, so nothing says what the model may be used for."


def _environment(made: Manifest) -> str:
    here = made.environment
    packages = ", ".join(f"{name} {version}" for name, version in here.packages.items())
    return (
        f"Python {here.python}, {packages}; {here.world_size} process(es) on {here.device} ({here.processor})"
    )


def _hash_row(made: Manifest) -> tuple[str, ...]:
    return made.stage.name, f"`{made.stage.content}`", made.finished


def _table(heads: Sequence[str], rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    )
