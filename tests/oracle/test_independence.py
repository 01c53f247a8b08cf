"""The oracle is worth what it does not share with the package."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
import torch
from independent import qwen
from material import Material
from transformers import Qwen2_5_VLForConditionalGeneration

FILES = sorted((Path(__file__).parent / "independent").glob("*.py"))
OTHERS = {"numpy", "torch", "PIL", "pyarrow", "safetensors", "tokenizers"}
"""Arithmetic, files, and the byte-pair merges of a tokenizer's own file."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_oracle_imports_nothing_of_the_package_nor_of_its_trainers(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imported.add(str(node.module).partition(".")[0])
    assert imported <= OTHERS | set(sys.stdlib_module_names)


def test_the_oracle_takes_no_loss_and_no_optimizer_of_torchs() -> None:
    text = "".join(path.read_text() for path in FILES)
    for name in ("cross_entropy", "torch.optim", "clip_grad", "nn.Module", "scaled_dot_product"):
        assert name not in text


@pytest.mark.slow
def test_the_oracles_forward_pass_is_that_of_transformers(given: Material) -> None:
    """Up to the float32 in which transformers computes norms, angles and attention even of float64 weights."""
    theirs = Qwen2_5_VLForConditionalGeneration.from_pretrained(
        given.root / "warm" / "model", dtype=torch.float64, attn_implementation="eager"
    )
    model, weights = given.model("warm")
    examples = [given.reader().example(row) for row in given.rows("mixed")[:24]]
    assert {len(example.grids) for example in examples} == {0, 1, 2, 3}
    for example in examples:
        ids = torch.tensor([example.ids])
        pictures = {
            "pixel_values": torch.from_numpy(example.pixels),
            "image_grid_thw": torch.tensor([[1, grid.high, grid.wide] for grid in example.grids]),
            "mm_token_type_ids": (ids == example.picture_token).int(),
        }
        with torch.no_grad():
            found = theirs(input_ids=ids, **(pictures if example.grids else {})).logits[0]
            own = qwen.logits(model, weights, example)
        assert (found - own).abs().max() <= 2e-6 * own.abs().max()
