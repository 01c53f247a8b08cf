"""Write a model that anyone can load with plain transformers, and prove that it answers as the trained one does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from peft import PeftModel
from PIL import Image
from transformers import AutoModelForImageTextToText, PreTrainedModel, ProcessorMixin

from lingshu_train.errors import DataError, RecipeError
from lingshu_train.hub import describing
from lingshu_train.kind import Facts
from lingshu_train.model import family, load, parts
from lingshu_train.model.settings import Settings
from lingshu_train.runs import manifest
from lingshu_train.runs.files import write_json
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.export.config import Config
from lingshu_train.training import adapters, arguments, session

SHARD = "4GB"
ROUNDING = 1e-3
"""Largest difference of logits, in float32, of an adapter beside its base and added into it: sums in another order."""
ALLOWED = (".safetensors", ".json", ".jinja", ".txt", ".md")


def run(stage: Stage, config: Config, settings: Settings) -> Facts:
    """Write `export/`: safetensors, configs, processor files and the model card."""
    return export(stage, config, settings)


def export(stage: Stage, config: Config, wanted: Settings) -> Facts:
    """Write `export/`. DataError if the export's logits are not the trained model's: bit for bit, or but for rounding those of
    an adapter on its base."""
    arguments.silence()
    target = stage.path / describing.FOLDER
    difference = (_adapter if config.adapter else _whole)(stage, config, wanted, target)
    foreign = [path.name for path in target.iterdir() if path.suffix not in ALLOWED]
    assert not foreign, f"export wrote files that may not be published: {foreign}"

    lineage = describing.ancestors(stage, config.parents)
    describing.write(target, lineage, model=config.model, adapter=config.adapter)
    return {
        "model": config.model,
        "largest_logit_difference": difference,
        "files": len(list(target.iterdir())),
    }


def _whole(stage: Stage, config: Config, wanted: Settings, target: Path) -> float:
    """The whole model; the largest difference of its logits."""
    source = stage.parent(config.model) / "model"
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
    return difference


def _adapter(stage: Stage, config: Config, wanted: Settings, target: Path) -> float:
    """The adapter alone, opened by plain peft on the base that it names; the largest difference of logits from the model that
    the stage left.

    RecipeError: the stage started from another stage's model, on which nobody else can put an adapter.
    """
    parent = stage.parent(config.model)
    above = manifest.read(parent).stage.about.starts_from
    if above:
        raise RecipeError(
            f"stages.{stage.name}.adapter: the adapter of {config.model} stands on the model of {above}, which nobody else "
            "has; adapter=false exports the whole model"
        )
    shutil.copytree(parent / adapters.FOLDER, target, dirs_exist_ok=True)
    _name_base(target / adapters.CONFIG)
    architecture = family.of(wanted.family)
    text = load.processor(architecture, str(parent / "model"), wanted.budget)
    architecture.write_for_everyone(text, target)
    trained = load.model(architecture, str(parent / "model"), dtype="float32", attention="sdpa").eval()
    base = load.model(
        architecture,
        wanted.base,
        dtype="float32",
        attention="sdpa",
        revision=wanted.revision or None,
        quantize=None if wanted.quantize == "none" else load.four_bits(architecture, dtype="float32"),
    )
    parts.round_to(base, load.DTYPES[wanted.dtype])
    opened = PeftModel.from_pretrained(base, target).eval()
    difference = _difference(trained, text, opened, text)
    if not difference < ROUNDING:
        raise DataError(
            f"{target}: on {wanted.base} its logits differ from the trained model's by {difference:g}; the export is not "
            "usable"
        )
    return difference


def _name_base(path: Path) -> None:
    """A base in a folder is called by the folder's name: where it lies on this machine is nobody's business."""
    found = json.loads(path.read_text(encoding="utf-8"))
    base = Path(found["base_model_name_or_path"])
    if base.is_dir():
        write_json(path, {**found, "base_model_name_or_path": base.resolve().name})


@torch.no_grad()
def _difference(
    trained: PreTrainedModel, text: ProcessorMixin, plain: PreTrainedModel | PeftModel, again: ProcessorMixin
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
