"""Begin a model family: a folder copied from the nearest one, and what can be told of transformers' class without weights.

    python -m lingshu_train.model.begin NAME CLASS --like FAMILY [--into FOLDER]

CLASS is transformers' (`...ForConditionalGeneration`). FOLDER is one for LINGSHU_PLUGINS; without it the folder is made in the
package. What is printed are guesses from the names and the source, then what to fill in; the tests decide (docs/families.md).
"""

from __future__ import annotations

import argparse
import inspect
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
import transformers
from transformers import PreTrainedConfig, PreTrainedModel

from lingshu_train.errors import LingshuError, UsageError
from lingshu_train.model import family
from lingshu_train.model.shape import PARTS, Part

HERE = Path(__file__).parent / "families"
LATER = "block_sequence_ids"
"""What transformers' masks of tokens that see later ones are made from."""
_GUESS: tuple[tuple[str, Part], ...] = (
    (r"language_model\.|text_model\.|lm_head\.", "language_model"),
    (r"projector\.|merger[^.]*\.|connector\.|aligner\.", "merger"),
    (r"", "vision_tower"),
)
"""How names of parts begin or end in most classes; the first that is found in a parameter's name counts."""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m lingshu_train.model.begin")
    parser.add_argument("name")
    parser.add_argument("architecture", metavar="CLASS")
    parser.add_argument("--like", required=True, metavar="FAMILY")
    parser.add_argument("--into", type=Path, metavar="FOLDER")
    given = parser.parse_args(arguments)
    try:
        found = architecture(given.architecture)
        folder = begin(given.name, found, like=given.like, into=given.into)
    except LingshuError as fault:
        sys.stderr.write(f"lingshu: {fault}\n")
        raise SystemExit(fault.exit_code) from None
    sys.stdout.write("\n".join([f"{folder}: a copy of {given.like}", *told(found), *LEFT]) + "\n")


def architecture(name: str) -> type[PreTrainedModel]:
    """UsageError (64): transformers has no such model."""
    found = getattr(transformers, name, None)
    if not (isinstance(found, type) and issubclass(found, PreTrainedModel)):
        raise UsageError(f"CLASS: transformers {transformers.__version__} has no model {name!r}")
    return found


def begin(name: str, found: type[PreTrainedModel], *, like: str, into: Path | None = None) -> Path:
    """The new folder. UsageError (64): a name that is no module's, or one that is there; RecipeError (78): no family `like`."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(f"NAME: {name!r}: lower-case letters, digits and underscores, a letter first")
    model = family.of(like).architecture
    source = HERE / like
    folder = (into / "model" / "families" if into else HERE) / name
    if folder.exists():
        raise UsageError(f"NAME: {folder} is there already")
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    renamed = {
        f"families.{like}": f"families.{name}",
        f'"{like}"': f'"{name}"',
        model.__name__: found.__name__,
        model.config_class.__name__: found.config_class.__name__,
        f'"{model.config_class.model_type}"': f'"{found.config_class.model_type}"',
    }
    # Whole words, all at once: one name may be the beginning of another.
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(old)}(?!\w)" for old in renamed))
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        path.write_text(pattern.sub(lambda match: renamed[match[0]], text), encoding="utf-8")
    return folder


def told(found: type[PreTrainedModel]) -> Iterator[str]:
    """Lines about a class: the names of its parts, what it is given with pictures, and which answers of a family hang on it."""
    config = found.config_class()
    with torch.device("meta"):
        model = found(config)
    counts = dict.fromkeys(PARTS, 0)
    prefixes: dict[str, Part] = {}
    for name, parameter in model.named_parameters():
        prefix, part = guessed(name)
        prefixes[prefix] = part
        counts[part] += parameter.numel()
    # The first that fits counts.
    ordered = sorted(prefixes, key=len, reverse=True)
    yield "prefixes: " + ", ".join(f'("{prefix}", "{prefixes[prefix]}")' for prefix in ordered)
    yield "parameters of its default sizes: " + ", ".join(f"{part} {counts[part]:,}" for part in PARTS)
    features = inspect.signature(model.model.get_image_features).parameters.values()
    needed = [one for one in features if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    yield "blank: " + ", ".join(one.name for one in needed)
    types = [name for name in inspect.signature(found.forward).parameters if name.endswith("token_type_ids")]
    if types:
        yield f"picture_inputs: ends with {', '.join(types)}"
    yield from _attention(found, config)


def guessed(name: str) -> tuple[str, Part]:
    """Of a parameter the beginning of its name that says its part, and the part."""
    for pattern, part in _GUESS[:-1]:
        match = re.search(pattern, name)
        if match:
            return name[: match.end()], part
    return ".".join(name.split(".")[:2]) + ".", _GUESS[-1][1]


def _attention(found: type[PreTrainedModel], config: PreTrainedConfig) -> Iterator[str]:
    text = config.get_text_config()
    source = inspect.getsource(sys.modules[found.__module__])
    if LATER in source:
        yield "looks_ahead: perhaps True: tokens of a picture see later ones (Shape.looks_ahead says what follows)"
    if getattr(text, "sliding_window", None) and getattr(text, "layer_types", None):
        yield "layers with a window: rows longer than one must be in the tests (tests/support/families.py)"
    if getattr(text, "tie_word_embeddings", False):
        yield "the embedding is the output head by default: it counts once"


LEFT = (
    "",
    "Left, in this order; each has a test that fails until it is right:",
    "  1 shape.py       sizes, counts, tokens and patches of a picture      tests/model/test_family.py -k NAME",
    "  2 tiny.py        config from these sizes; no matrix of zeros",
    "  3 processing.py  marks, pixel values; a mark is as many tokens in any text",
    "  4 chat_template.jinja, usage.md, family.py",
    "  5 MODELS of tests/support/families.py: a tiny model; then tests/model/test_family.py, test_repeated.py,",
    "    tests/training/test_vision_guard.py, tests/whole/test_families.py, and last tests/whole/test_family_layouts.py",
    "  6 recipes/model/NAME_SIZE.yaml: the published sizes; parameters() must be the publisher's count",
    "  7 stock defects: a line of each table in tests/training/test_stock_defects_of_families.py",
)


if __name__ == "__main__":
    main()
