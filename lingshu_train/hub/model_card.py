"""The model card: everything a reader of the repository must know, written from the manifests alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

import yaml

from lingshu_train.data.cards import licences
from lingshu_train.data.cards.card import Card
from lingshu_train.hub import model_index
from lingshu_train.model import origin as origins
from lingshu_train.model import shape
from lingshu_train.model.origin import Origin
from lingshu_train.runs import funnel, moved, results, run, withdrawn
from lingshu_train.runs.flat import scalars
from lingshu_train.runs.lines import Line
from lingshu_train.runs.manifest import Manifest
from lingshu_train.runs.results import ALL, Accuracy, Results

TEMPLATE = Path(__file__).with_name("model_card.md")
HIDDEN = (
    "kind",
    "data",
    "base",
    "save_every",
    "save_every_minutes",
    "save_beside",
    "keep",
    "keep_finished",
    "loader_workers",
)
"""Settings that do not change what was learned, or stand elsewhere in the card."""


def render(
    manifests: Sequence[Manifest], cards: Sequence[Card], *, model: str = "", adapter: bool = False
) -> str:
    """Markdown with the hub's front matter.

    `manifests` are those of the stages that the model descends from, oldest first, with its evaluation;
    `cards` are the data cards they name. Results are read from the evaluation's folder. `model`: the stage whose weights
    these are, since the evaluation may have been of others too; none: the last that trains. `adapter`: the repository holds
    what was trained beside the base, and not the base itself.
    """
    trained = [made for made in _behind(manifests, model) if made.stage.about.trains]
    last = trained[-1] if trained else manifests[-1]
    named = run.trained_on({made.stage.name: made.stage for made in manifests}, last.stage.name)
    used = [card for card in cards if card.name in named]
    start = origins.first(trained)
    measured = _measured(manifests)
    head = front_matter(start, used, trained, adapter=adapter)
    title = f"{last.stage.run}: {last.stage.name}"
    lines = [one for one in measured.lines.get(last.stage.name, ()) if not one.own]
    if lines:
        head["model-index"] = model_index.block(title, lines)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        front_matter=yaml.safe_dump(head, sort_keys=False, allow_unicode=True),
        title=title,
        origin=_started(start),
        stages=", ".join(f"{made.stage.name} ({made.stage.kind})" for made in trained) or "no training stage",
        results=_results(measured, last.stage.name),
        usage=_usage(str(last.stage.model["family"]), start, adapter=adapter),
        settings="\n\n".join(_settings(made) for made in trained),
        data=_data(used)
        + _curated(_behind(manifests, last.stage.name))
        + _left_out(manifests)
        + _withdrawn(trained),
        restrictions=_restrictions(used),
        run=last.stage.run,
        version=last.stage.version,
        commit=f"commit `{last.environment.commit}`" if last.environment.commit else "commit not recorded",
        checkout=f"git checkout {last.environment.commit}\n" if last.environment.commit else "",
        environment=_environment(last),
        hashes=_table(("stage", "content", "finished"), (_hash_row(made) for made in manifests)),
    )


def front_matter(
    start: Origin | None, cards: Sequence[Card], trained: Sequence[Manifest], *, adapter: bool = False
) -> dict[str, object]:
    """The hub's own keys. The licence is open only where nothing else binds the weights."""
    found: dict[str, object] = {}
    if start and start.kind == "hub":
        relation = "adapter" if adapter else "finetune"
        found |= {"base_model": start.name, "base_model_relation": relation}
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
        "library_name": "peft" if adapter else "transformers",
        "tags": ["medical", "vision-language", "lingshu-train", *kinds],
    }


def _behind(manifests: Sequence[Manifest], model: str) -> list[Manifest]:
    """Those of `model` and what it descends from, of manifests with the oldest first; all where no model is named."""
    found: list[Manifest] = []
    names = {model} if model else {made.stage.name for made in manifests}
    for made in reversed(manifests):
        if made.stage.name in names:
            names |= set(made.stage.parents)
            found.append(made)
    return found[::-1]


def _usage(family: str, start: Origin | None, *, adapter: bool) -> str:
    """How to run it. An adapter is opened on its base, and then used as the base is."""
    whole = shape.usage(family)
    if not adapter:
        return whole
    base = start.name if start else "the base model"
    return (
        f"These files are an adapter: they change `{base}` and are of no use without it. With `peft` beside what is named "
        "below, open the base as shown, take tokenizer and processor from this repository, and put the adapter on:\n\n"
        "```python\nfrom peft import PeftModel\n\n"
        'model = PeftModel.from_pretrained(model, "owner/name")  # this repository, or a folder that holds it\n```\n\n'
        f"The base, by the name `{base}` where `owner/name` stands for the model:\n\n{whole}"
    )


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
    found = Results()
    for made in manifests:
        if made.stage.about.role == "results":
            found = found.joined(results.read(made.stage.path))
    order = {made.stage.name: place for place, made in enumerate(manifests)}
    return found.of(sorted(found.models, key=lambda name: order.get(name, -1)))


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
    notes = [
        "Accuracy in percent on held-out questions, with 95 % Wilson intervals. Greedy decoding, without penalties or other "
        "settings: those that the base model may have been published with are neither applied nor passed on."
    ]
    if measured.leaks:
        notes.append("Not all of these questions ask about pictures that training has not shown:")
        notes.append("\n".join(f"- {line}" for line in measured.leaks))
    else:
        notes[0] += (
            " Held out means other volumes, patients or pictures of the same data: no benchmark, and no word on other data."
        )
    return "\n\n".join([_table(heads, rows), *notes, *_benchmarks(measured)])


def _benchmarks(measured: Results) -> list[str]:
    """A row a benchmark and the means of the paper, by models; nothing where none was measured."""
    known = {
        model: {one.name: one for one in found if not one.own} for model, found in measured.lines.items()
    }
    first = {name: one for found in known.values() for name, one in found.items()}
    if not first:
        return []
    rows = [
        (one.title, str(one.n or one.unscored), *(_share(found.get(name)) for found in known.values()))
        for name, one in first.items()
    ]
    for title in dict.fromkeys(title for found in measured.means.values() for title in found):
        values = (measured.means.get(model, {}).get(title) for model in known)
        rows.append((f"**{title}**", "", *("–" if one is None else f"{100 * one:.1f}" for one in values)))
    told = (
        "By benchmark: accuracy in percent as our verifier reads plain answers, with 95 % intervals over pictures or patients; "
        "in brackets its strict door and MedEvalKit's own rules. Of reports ROUGE-L as the package rouge measures it."
    )
    return [told, _table(("benchmark", "n", *known), rows)]


def _share(line: Line | None) -> str:
    if line is None:
        return "–"
    if not line.n:
        return f"ROUGE-L {100 * line.reports.get('rouge_l', 0.0):.1f}"
    interval = f"{100 * line.cluster_low:.1f}–{100 * line.cluster_high:.1f}"
    return f"{100 * line.lenient:.1f} ({interval}) [{100 * line.strict:.1f}, {100 * line.medevalkit:.1f}]"


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
    if (told := made.results.get(moved.FACT)) is not None:
        rows.append((moved.FACT.replace("_", " "), str(told)))
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


def _left_out(manifests: Sequence[Manifest]) -> str:
    """Cards of the recipe that no stage read, by stage."""
    lines = [f"- {made.stage.name}: {', '.join(gone)}" for made in manifests if (gone := made.stage.left_out)]
    if not lines:
        return ""
    told = "The recipe reads more than this model saw. These sets were left out, and their shares went to the others:"
    return "\n\n" + "\n".join([told, "", *lines])


def _curated(behind: Sequence[Manifest]) -> str:
    """What curation decided over the rows that the model was trained on."""
    lines = [f"- {line}" for made in behind for line in funnel.sentences(made)]
    if not lines:
        return ""
    told = "Rows were curated, step by step. Each decision stands with its reason in the run's `decisions.parquet`:"
    return "\n\n" + "\n".join([told, "", *lines])


def _withdrawn(trained: Sequence[Manifest]) -> str:
    """Rows that were withdrawn from stages of the model, by how many and not by whose."""
    lines = [
        f"- {made.stage.name}: {said}" for made in trained if (said := withdrawn.said(made.stage.withdrawn))
    ]
    if not lines:
        return ""
    told = (
        "Consent to some of it was withdrawn. These rows kept their places in the order and taught nothing:"
    )
    return "\n\n" + "\n".join([told, "", *lines])


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
