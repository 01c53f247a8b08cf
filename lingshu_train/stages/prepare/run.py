"""Data cards to a corpus: labelled pictures are asked questions, rows are read as they stand."""

from __future__ import annotations

from pathlib import Path

from lingshu_train.data.cards import card as cards
from lingshu_train.data.corpus import corpus, lengths, preparing, taught
from lingshu_train.data.corpus.summary import Summary
from lingshu_train.errors import RecipeError
from lingshu_train.kind import Facts
from lingshu_train.model.settings import Settings
from lingshu_train.runs.manifest import CARDS
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.prepare.config import Config


def run(stage: Stage, config: Config, settings: Settings) -> Facts:
    """Write `corpus/` below the stage's folder, or go on with it. Returns its summary for the manifest."""
    folder, workers = stage.path / "corpus", stage.cluster.preparing
    summary = _corpus(stage, config, settings, folder)
    # Licence, access and layout stand in a card: which text of it held then, its name alone does not tell.
    digests = {name: cards.load(name, where=f"stages.{stage.name}.cards").digest for name in config.cards}
    facts: Facts = {**summary.facts(), CARDS: digests}
    if summary.differs:
        facts = {**facts, "warnings": list(summary.differs.values())}
    if not settings.base:
        return facts
    # Here one process has the time; in a training stage all ranks would wait for it.
    table = lengths.of(folder, settings.base, settings, workers=workers)
    splits = {split: taught.by_card(corpus.load(folder, split=split), table) for split in summary.splits}
    return {**facts, taught.FACT: {split: taught.facts(each) for split, each in splits.items()}}


def _corpus(stage: Stage, config: Config, settings: Settings, folder: Path) -> Summary:
    if not config.prepared:
        parents = {name: stage.parent(name) for name in config.parents}
        wanted = config.specification(settings, data_root=stage.data_root, seed=stage.seed, made=parents)
        return preparing.prepare(
            folder,
            wanted,
            workers=stage.cluster.preparing,
            most_refused=config.most_refused,
            cluster=stage.cluster,
        )
    where = f"stages.{stage.name}.prepared: {config.prepared}"
    found = corpus.read_summary(Path(config.prepared))
    if set(found.cards) - set(config.cards):
        raise RecipeError(
            f"{where} holds cards {', '.join(found.cards)}; cards names {', '.join(config.cards)}"
        )
    for key in ("max_pixels", "grid"):
        ours, theirs = getattr(settings.budget, key), getattr(found, key)
        if ours != theirs:
            raise RecipeError(f"{where} was prepared for {key}={theirs}; the model has {ours}")
    slipped = set(settings.shape.control) - set(found.control_tokens)
    if slipped:
        raise RecipeError(
            f"{where} was prepared for other models: its text may hold {', '.join(sorted(slipped))}; prepare it with "
            f"--family {settings.family}"
        )
    return preparing.link(Path(config.prepared), folder)
