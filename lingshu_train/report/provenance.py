"""Where it all came from: data and licences, environment, hashes, and what was refused or unreadable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sized
from dataclasses import dataclass

from pydantic import JsonValue

from lingshu_train.data.cards import licences
from lingshu_train.data.cards.source import Source
from lingshu_train.report.gather import RunView, StageView
from lingshu_train.report.numbers import counted
from lingshu_train.report.thinking import Flags
from lingshu_train.report.training import UNSCORED
from lingshu_train.runs import tracked, withdrawn
from lingshu_train.runs.flat import scalars
from lingshu_train.runs.manifest import NAME, Manifest

MOST_FILES = 200
"""Files of a stage whose hashes are shown; all of them stand in its manifest."""

Rows = tuple[tuple[str, str], ...]
"""Names with what belongs to them, one a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Pairs under a title."""

    title: str
    rows: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Statuses:
    """How often the answers of each model were judged what: one count for each of `kinds`; how many were not right, and in
    how many the thinking names another answer."""

    kinds: tuple[str, ...]
    counts: tuple[tuple[str, tuple[int, ...]], ...]
    wrong: Mapping[str, int]
    flagged: Mapping[str, int]


def machines(view: RunView) -> list[Named]:
    """The machine and the package versions, once where all stages agree."""
    seen: dict[str, list[Manifest]] = {}
    for manifest in view.manifests:
        seen.setdefault(manifest.environment.model_dump_json(), []).append(manifest)
    return [
        Named(
            title="All stages" if len(seen) == 1 else ", ".join(each.stage.name for each in alike),
            rows=(
                *scalars(alike[0].environment.model_dump(mode="json")),
                ("lingshu-train", alike[0].stage.version),
            ),
        )
        for alike in seen.values()
    ]


def hashes(view: RunView) -> list[Named]:
    """What every finished stage read and left, by sha256."""
    found = []
    for made in view.manifests:
        stage, files = made.stage, tuple(made.files.items())
        title = f"{stage.name}: {counted(len(files), 'file')}, content {stage.content[:12]}, finished {made.finished}"
        inputs = tuple((f"input {name}/{NAME}", digest) for name, digest in made.inputs.items())
        found.append(Named(title=title, rows=(*inputs, *files[:MOST_FILES])))
    return found


def origin(source: Source) -> str:
    """Where a data set comes from, in words."""
    place = {
        "package": "Python package",
        "hub": "Hugging Face hub",
        "http": "web",
        "physionet": "PhysioNet",
        "local": "local folder",
    }[source.kind]
    name, _, version = source.revision.partition("==")
    if source.kind == "package" and version:
        # The revision names the package, the name a module of it.
        return f"{place} {name} {version}" + (f" (imported as {source.name})" if source.name != name else "")
    return f"{place}: {source.name}" + (f", revision {source.revision}" if source.revision else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRows:
    """Rows of a card in a corpus: how many were kept, with how many answers, which the card skips, and which are kept and not
    whole, as words."""

    stage: str
    card: str
    kept: str
    answers: str
    skipped: str
    notes: str


def rows(view: RunView) -> list[CardRows]:
    """What became of the rows of every card, in every corpus."""
    found = []
    for made in view.manifests:
        kept, answers, skipped, notes = (
            _tables(made, name) for name in ("cards", "answers", "skipped", "notes")
        )
        found += [
            CardRows(
                stage=made.stage.name,
                card=name,
                kept=_count(kept.get(name, 0)),
                answers=_count(answers.get(name, 0)),
                skipped=_counts(skipped.get(name)),
                notes=_counts(notes.get(name)),
            )
            for name in dict.fromkeys((*kept, *skipped))
        ]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class CardTaught:
    """What an epoch of a stage teaches of a card, as words."""

    stage: str
    card: str
    rows: str
    answers: str
    taught: str
    tokens: str


def lessons(view: RunView) -> list[CardTaught]:
    """What every supervised stage teaches of every card."""
    return [
        CardTaught(
            stage=made.stage.name,
            card=name,
            **{what: _count(counts.get(what, 0)) for what in ("rows", "answers", "taught", "tokens")},
        )
        for made in view.manifests
        if made.stage.about.trains
        for name, counts in _tables(made, "taught").items()
        if isinstance(counts, dict)
    ]


def _tables(manifest: Manifest, name: str) -> Mapping[str, JsonValue]:
    """Counts by card that a stage told; none where it told none."""
    told = manifest.results.get(name)
    return told if isinstance(told, dict) else {}


def _counts(table: JsonValue) -> str:
    """`no answer 3, another 1`, or a dash."""
    named = table.items() if isinstance(table, dict) else ()
    return ", ".join(f"{word} {_count(number)}" for word, number in named) or "–"


def _count(number: JsonValue) -> str:
    return f"{number:,}" if isinstance(number, int) else str(number)


def settings(view: RunView) -> list[Named]:
    """Every hyperparameter of every stage, as the stage was given it."""
    found = []
    for each in view.stages:
        if each.stage:
            given = {
                "seed": each.stage.seed,
                **each.stage.config,
                "model": each.stage.model,
                "cluster": each.stage.cluster.model_dump(mode="json"),
            }
            found.append(Named(title=f"{each.name} ({each.kind})", rows=tuple(scalars(given))))
    return found


def warnings(view: RunView, flags: Flags) -> list[str]:
    """Everything that is not as it should be, counted: unreadable answers, refused items, closed data."""
    found = [f"damaged: {line}" for line in view.damage]
    found += [
        *restricted(view),
        *_unreadable(view),
        *_unscored(view),
        *_flagged(view, flags),
        *_refused(view),
    ]
    for manifest in view.manifests:
        found += _told(manifest, "warnings")
        found += [f"checkpoint set aside: {line}" for line in _told(manifest, "checkpoints_set_aside")]
        if lost := withdrawn.said(manifest.stage.withdrawn):
            found.append(f"{manifest.stage.name}: {lost} are withdrawn; their places yield nothing")
        if gone := manifest.stage.left_out:
            found.append(f"{manifest.stage.name}: without {', '.join(gone)}, which the recipe lists")
    found += [f"{each.name}: {line}" for each in view.stages for line in tracked.faults(each.folder)]
    if not view.running:
        found += [_stopped(each) for each in view.stages if each.state == "unfinished"]
    found += [
        f"data card {name}: named by this run, but there is no such card" for name in view.missing_cards
    ]
    if any(manifest.environment.uncommitted_changes for manifest in view.manifests):
        found.append(
            "a stage ran from a checkout with uncommitted changes: the commit does not tell what code ran"
        )
    return found


def statuses(view: RunView, flags: Flags) -> Statuses | None:
    """How the answers of every model were judged; None where nothing was answered."""
    counts = {name: Counter(line.status for line in view.predictions.get(name, ())) for name in view.models}
    kinds = tuple(sorted({status for each in counts.values() for status in each}))
    if not kinds:
        return None
    return Statuses(
        wrong={
            name: sum(not line.correct for line in view.predictions.get(name, ())) for name in view.models
        },
        flagged={name: len(flags.held_out.get(name, ())) for name in view.models},
        kinds=kinds,
        counts=tuple((name, tuple(counts[name][kind] for kind in kinds)) for name in view.models),
    )


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
    counts = {each.name: sum(count for _, count in each.column(UNSCORED)) for each in view.stages}
    return [
        f"{name}: {counted(count, 'completion')} unscored during training"
        for name, count in counts.items()
        if count
    ]


def _flagged(view: RunView, flags: Flags) -> list[str]:
    """Answers whose thinking names another, counted for each model and for the rollouts that a stage kept."""
    counts: list[tuple[str, Sized, int, str]] = [
        *(
            (name, flags.held_out[name], len(view.predictions[name]), "held-out answers")
            for name in view.models
        ),
        *((name, flags.rollouts[name], len(lines), "kept rollouts") for name, lines in view.rollouts.items()),
    ]
    return [
        f"{name}: in {len(named):,} of {total:,} {what} the thinking names another answer than the one given"
        for name, named, total, what in counts
        if named
    ]


def restricted(view: RunView) -> list[str]:
    """Why a page with samples of this run may go only where the data may, a line for each card that has it so."""
    return [
        f"data card {card.name} {reason}: this page shows samples, share it only as the data"
        for card in view.cards
        if (reason := licences.unshareable(card))
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
