"""Build a small model from nothing: a tokenizer trained on a prepared corpus, random weights."""

from __future__ import annotations

from transformers.utils.chat_template_utils import render_jinja_template

from lingshu_train.data import chat
from lingshu_train.data.corpus import corpus, withdrawn
from lingshu_train.errors import RecipeError
from lingshu_train.kind import Facts
from lingshu_train.model import family, parts
from lingshu_train.model.settings import Settings
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.build.config import Config
from lingshu_train.training import arguments


def run(stage: Stage, config: Config, settings: Settings) -> Facts:
    """Write `model/`. The seed of the run fixes the weights."""
    arguments.silence()
    if settings.build is None:
        raise RecipeError(
            "model.build: missing; a stage of kind build needs it (see recipes/model/tiny.yaml)"
        )
    architecture = family.of(settings.family)
    found = corpus.load(stage.parent(config.corpus) / "corpus", split="train")
    samples = withdrawn.left(stage, config.corpus, found).samples
    # Whole conversations, or the words of the chat template itself would fall into single bytes.
    chats = [
        chat.prompt(sample, system=settings.system_prompt) + chat.completion(sample) for sample in samples
    ]
    texts, _ = render_jinja_template(chats, chat_template=architecture.chat_template)
    words = architecture.build_tokenizer(texts, vocabulary=settings.shape.vocabulary)
    model = architecture.build_model(
        settings.shape, words, initializer_range=settings.build.initializer_range, seed=stage.seed
    )
    target = stage.path / "model"
    model.save_pretrained(target)
    architecture.build_processor(words, settings.budget).save_pretrained(target)
    return {"parameters": parts.counts(architecture, model), "vocabulary": len(words)}
