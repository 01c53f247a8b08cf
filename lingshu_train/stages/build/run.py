"""Build a small model from nothing: a tokenizer trained on a prepared corpus, random weights."""

from __future__ import annotations

from transformers.utils.chat_template_utils import render_jinja_template

from lingshu_train.data import chat
from lingshu_train.data.corpus import corpus
from lingshu_train.errors import RecipeError
from lingshu_train.kind import Facts
from lingshu_train.model import parts, processor, tiny
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
    samples = corpus.load(stage.parent(config.corpus) / "corpus", split="train").samples
    # Whole conversations, or the words of the chat template itself would fall into single bytes.
    template = processor.CHAT_TEMPLATE.read_text(encoding="utf-8")
    chats = [
        chat.prompt(sample, system=settings.system_prompt) + chat.completion(sample) for sample in samples
    ]
    texts, _ = render_jinja_template(chats, chat_template=template)
    words = tiny.tokenizer(texts, vocabulary=settings.shape.text.vocabulary)
    model = tiny.model(
        settings.shape, words, initializer_range=settings.build.initializer_range, seed=stage.seed
    )
    target = stage.path / "model"
    model.save_pretrained(target)
    processor.build(words, min_pixels=settings.min_pixels, max_pixels=settings.max_pixels).save_pretrained(
        target
    )
    return {"parameters": parts.counts(model), "vocabulary": len(words)}
