"""Write a model that anyone can load with plain transformers, and prove that it answers as the trained one does."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, PreTrainedModel, ProcessorMixin

from lingshu_train.data.cards import card as cards
from lingshu_train.errors import DataError
from lingshu_train.hub import model_card
from lingshu_train.kind import Facts
from lingshu_train.model import family, load
from lingshu_train.model.settings import Settings
from lingshu_train.runs import manifest
from lingshu_train.runs.files import write_text
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.export.config import Config
from lingshu_train.training import arguments, session

SHARD = "4GB"
ALLOWED = (".safetensors", ".json", ".jinja", ".txt", ".md")


def run(stage: Stage, config: Config, settings: Settings) -> Facts:
    """Write `export/`: safetensors, configs, processor files and the model card."""
    return export(stage, config, settings)


def export(stage: Stage, config: Config, wanted: Settings) -> Facts:
    """Write `export/`. DataError if the export's logits are not the trained model's, bit for bit."""
    arguments.silence()
    source, target = stage.parent(config.model) / "model", stage.path / "export"
    architecture = family.of(wanted.family)
    trained = load.model(architecture, str(source), dtype=wanted.dtype, attention="sdpa").eval()
    text = load.processor(architecture, str(source), wanted.budget)
    session.use_cache(trained, True)
    trained.save_pretrained(target, max_shard_size=SHARD)
    architecture.write_for_everyone(text, target)

    plain = AutoModelForImageTextToText.from_pretrained(
        target, dtype=load.DTYPES[wanted.dtype], attn_implementation="sdpa"
    )
    again = load.processor(architecture, str(target), wanted.budget)
    difference = _difference(trained, text, plain.eval(), again)
    if difference != 0.0:
        raise DataError(
            f"{target}: logits differ from the trained model's by {difference:g}; the export is not usable"
        )
    foreign = [path.name for path in target.iterdir() if path.suffix not in ALLOWED]
    assert not foreign, f"export wrote files that may not be published: {foreign}"

    lineage = ancestors(stage, config)
    named = {name for made in lineage for name in made.stage.about.cards}
    write_text(target / "README.md", model_card.render(lineage, [cards.load(name) for name in sorted(named)]))
    return {
        "model": config.model,
        "largest_logit_difference": difference,
        "files": len(list(target.iterdir())),
    }


def ancestors(stage: Stage, config: Config) -> list[manifest.Manifest]:
    """Manifests of every stage the export rests on, oldest first."""
    found: dict[str, manifest.Manifest] = {}

    def visit(folder: Path) -> None:
        made = manifest.read(folder)
        for parent in made.stage.parents.values():
            if parent not in found:
                visit(Path(parent))
        found[str(folder)] = made

    for name in config.parents:
        if stage.parents[name] not in found:
            visit(stage.parent(name))
    return list(found.values())


@torch.no_grad()
def _difference(
    trained: PreTrainedModel, text: ProcessorMixin, plain: PreTrainedModel, again: ProcessorMixin
) -> float:
    """Largest absolute difference of logits on one picture and one question, each model with its own processor."""
    picture = Image.linear_gradient("L").convert("RGB").resize((84, 56))
    chat = [
        {
            "role": "user",
            "content": [{"type": "image"}, {"type": "text", "text": "What does this image show?"}],
        }
    ]
    logits = []
    for model, words in ((trained, text), (plain, again)):
        prompt = words.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        batch = words(text=[prompt], images=[[picture]], return_tensors="pt", add_special_tokens=False)
        logits.append(model(**batch).logits)
    return float((logits[0] - logits[1]).abs().max()) if logits[0].shape == logits[1].shape else float("inf")
