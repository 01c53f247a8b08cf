"""Where it all came from: data and licences, environment, hashes, and what was refused or unreadable."""

from __future__ import annotations

from collections import Counter

from lingshu_train.data.cards.card import Card
from lingshu_train.report.gather import RunView, StageView
from lingshu_train.report.markup import Markup, element, folded, join, table, text
from lingshu_train.runs.flat import scalars
from lingshu_train.runs.manifest import NAME, Manifest


def data(view: RunView) -> Markup:
    """Every data card of the run with what its owner allows."""
    if not view.cards and not view.missing_cards:
        return Markup("")
    heads = (
        "data card",
        "licence",
        "access",
        "share data",
        "train and publish weights",
        "commercial use",
        "source",
    )
    rows = [_card(card) for card in view.cards]
    rows += [[text(name), text("card not found here"), *[text("–")] * 5] for name in view.missing_cards]
    return table([text(head) for head in heads], rows, css="data")


def environment(view: RunView) -> Markup:
    """The machine and the package versions, once where all stages agree, and the hash of every file."""
    parts = []
    seen: dict[str, list[str]] = {}
    for manifest in view.manifests:
        seen.setdefault(manifest.environment.model_dump_json(), []).append(manifest.stage.name)
    for names in seen.values():
        manifest = next(each for each in view.manifests if each.stage.name == names[0])
        pairs = [
            *scalars(manifest.environment.model_dump(mode="json")),
            ("lingshu-train", manifest.stage.version),
        ]
        rows = [[text(key), text(value)] for key, value in pairs]
        title = "All stages" if len(seen) == 1 else ", ".join(names)
        parts.append(
            join([element("h3", text(title)), table([text("item"), text("value")], rows, css="pairs")])
        )
    return join([*parts, *(_hashes(manifest) for manifest in view.manifests)])


def settings(view: RunView) -> Markup:
    """Every hyperparameter of every stage, as the stage was given it."""
    blocks = []
    for each in view.stages:
        if each.stage:
            given = {
                "seed": each.stage.seed,
                **each.stage.config,
                "model": each.stage.model,
                "cluster": each.stage.cluster,
            }
            rows = [[text(key), text(value)] for key, value in scalars(given)]
            blocks.append(
                folded(f"{each.name} ({each.kind})", table([text("key"), text("value")], rows, css="pairs"))
            )
    return join(blocks)


def warnings(view: RunView) -> Markup:
    """Everything that is not as it should be, counted: unreadable answers, refused items, closed data."""
    found = [*_restricted(view), *_unreadable(view), *_unscored(view), *_refused(view)]
    for manifest in view.manifests:
        found += _told(manifest, "warnings")
        found += [f"checkpoint set aside: {line}" for line in _told(manifest, "checkpoints_set_aside")]
    found += [_stopped(each) for each in view.stages if each.state == "unfinished"]
    found += [
        f"data card {name}: named by this run, but there is no such card" for name in view.missing_cards
    ]
    if any(manifest.environment.uncommitted_changes for manifest in view.manifests):
        found.append(
            "a stage ran from a checkout with uncommitted changes: the commit does not tell what code ran"
        )
    if not found:
        return element("p", text("None."), css="quiet")
    return element("ul", join(element("li", text(line)) for line in found))


def statuses(view: RunView) -> Markup:
    """How the answers of every model were judged."""
    counts = {name: Counter(line.status for line in view.predictions.get(name, ())) for name in view.models}
    kinds = sorted({status for each in counts.values() for status in each})
    if not kinds:
        return Markup("")
    rows = [[text(name), *(text(f"{counts[name][kind]:,}") for kind in kinds)] for name in view.models]
    return table([text("model"), *(text(kind) for kind in kinds)], rows, css="numbers")


def _told(manifest: Manifest, name: str) -> list[str]:
    """A list of sentences among what the stage told; empty where it told none."""
    told = manifest.results.get(name)
    return [str(line) for line in told] if isinstance(told, list) else []


def _stopped(view: StageView) -> str:
    return f"stage {view.name} has not finished" + (
        f"; it last stopped with: {view.fault}" if view.fault else ""
    )


def _unscored(view: RunView) -> list[str]:
    """Completions that no reward could judge: an outage, never a zero."""
    counts = {each.name: sum(line.get("unscored") or 0 for line in each.ledger) for each in view.stages}
    return [
        f"{name}: {count:,.0f} completions unscored during training"
        for name, count in counts.items()
        if count
    ]


def _restricted(view: RunView) -> list[str]:
    return [
        f"data card {card.name} is {card.lingshu.access}: this page shows samples, share it only as the data"
        for card in view.cards
        if card.lingshu.access != "open"
    ]


def _unreadable(view: RunView) -> list[str]:
    found = []
    for name in view.models:
        lines = view.predictions.get(name, ())
        counts = Counter(line.status for line in lines if line.status not in ("right", "wrong"))
        found += [
            f"{name}: {count} of {len(lines)} held-out answers {status}"
            for status, count in counts.most_common()
        ]
    return found


def _refused(view: RunView) -> list[str]:
    """Counts that a stage recorded under a name that speaks of refusal, anywhere in its results."""
    words = (
        *("refused", "left_out", "skipped", "quarantined", "dropped"),
        *("unscored", "truncated", "timed_out", "unknown"),
    )
    return [
        f"{manifest.stage.name}: {key} {value}"
        for manifest in view.manifests
        for key, value in scalars(manifest.results)
        if any(word in key for word in words) and value not in ("0", "False")
    ]


def _card(card: Card) -> list[Markup]:
    about = card.lingshu
    licence = about.licence
    source = f"{about.source.kind}: {about.source.name} {about.source.revision}".strip()
    named = licence.id + (" (unverified)" if licence.unverified else "")
    allowed = (licence.redistribute, licence.derive_weights, licence.commercial)
    return [
        text(card.title),
        text(named),
        text(about.access),
        *(text(_said(each)) for each in allowed),
        text(source),
    ]


def _said(allowed: bool | None) -> str:
    return {True: "yes", False: "no", None: "not known"}[allowed]


def _hashes(manifest: Manifest) -> Markup:
    rows = [[text(name), element("code", text(digest))] for name, digest in manifest.files.items()]
    inputs = [
        [text(f"input {name}/{NAME}"), element("code", text(digest))]
        for name, digest in manifest.inputs.items()
    ]
    stage = manifest.stage
    title = f"{stage.name}: {len(rows)} files, content {stage.content[:12]}, finished {manifest.finished}"
    return folded(title, table([text("file"), text("sha256")], [*inputs, *rows[:200]], css="pairs"))
