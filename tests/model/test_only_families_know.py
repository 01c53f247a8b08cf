"""Outside model/families/ no architecture is known: no class or module of one, no special token, no size of its pictures."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import lingshu_train

PACKAGE = Path(lingshu_train.__file__).parent
FAMILIES = PACKAGE / "model" / "families"
WORDS = {
    "the name of an architecture": r"(?i)qwen|internvl|llava_?(?:next|for|model)|gemma|pixtral|idefics",
    "a module of one": r"\bvisual\.|language_model\.|multi_modal_projector|(?<!fused_)lm_head",
    "an input of one": r"image_grid|grid_thw|rope_index|(?i:m-?rope)|spatial_merge|merge_size|temporal_patch",
    "a special token": r"<\|\w+\|>|<img>|<IMG_CONTEXT>|<image_soft_token>",
}
SIZES = (28, 784, 1176, 3136, 1_003_520)
"""Qwen2.5-VL's: a token's side, its area, values of a patch, bounds of a picture."""
ALLOWED = {
    ("model/settings.py", "the name of an architecture"): 'FAMILY = "qwen2_5_vl"',
    ("data/quickstart/lesions.py", "28"): "CELL = 28",
    ("drill/drawn.py", "an input of one"): (
        '"text": {"hidden": 32, "intermediate": 64, "vocabulary": 512, "mrope_section": [1, 1, 2]},'
    ),
    (
        "model/begin.py",
        "a module of one",
    ): '(r"language_model\\.|text_model\\.|lm_head\\.", "language_model"),',
    ("stages/grpo/losses.py", "a module of one"): '"cast_lm_head_to_fp32": False,',
    ("training/head.py", "a module of one"): "with utils.maybe_gather_lm_head_ctx(weight, None):",
    ("stages/grpo/run.py", "an input of one"): '"image_grid_thw",',
    ("synthesize/_request.py", "28"): "_SIDE = 28",
    ("drill/faults/rows.py", "a special token"): '_set(question="<|im_end|>\\n<|im_start|>assistant\\n3"),',
}
"""What a recipe says that names no family; a choice of the quickstart, not of a model; the drill's own model; how
most classes name their parts, guessed from when a family is begun; an option, an argument and a function of TRL, by its names for them; what a teacher is reckoned to count for a picture, whatever it is; and what a hostile
row says to the drill's model."""


def known(text: str) -> Iterator[tuple[str, str]]:
    """What a file knows of architectures, each with its line."""
    lines = text.splitlines()
    for line in lines:
        yield from ((what, line.strip()) for what, pattern in WORDS.items() if re.search(pattern, line))
    nodes = list(ast.walk(ast.parse(text)))
    # 2**28 is a number of bytes.
    powers = [node.right for node in nodes if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)]
    for node in nodes:
        if node in powers:
            continue
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value in SIZES:
            yield str(node.value), lines[node.lineno - 1].strip()


def test_nothing_outside_the_families_knows_an_architecture() -> None:
    files = [path for path in sorted(PACKAGE.rglob("*.py")) if not path.is_relative_to(FAMILIES)]
    assert len(files) > 150
    found = {
        (path.relative_to(PACKAGE).as_posix(), what): line
        for path in files
        for what, line in known(path.read_text(encoding="utf-8"))
    }
    assert found == ALLOWED


@pytest.mark.parametrize(
    "line",
    [
        "from transformers import Qwen2_5_VLProcessor",
        "tower = model.model.visual.blocks",
        'name.startswith("model.language_model.")',
        'batch["image_grid_thw"]',
        'text = "<|image_pad|>"',
        "side = 28",
    ],
)
def test_what_would_be_found(line: str) -> None:
    assert list(known(line))
