"""`lingshu data prepare --tokenizer`: the answers of each card and their tokens, as a recipe's prepare stage counts them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_model
from format_files import png, put

from lingshu_train import cli, environment
from lingshu_train.data.corpus import chunks, corpus, lengths, taught

CARD = """---
pretty_name: Made
license: mit
language: [en]
task_categories: [visual-question-answering]
lingshu:
  source: {{kind: hub, name: a/b}}
  access: open
  licence: {{id: MIT}}
  format: {format}
  fields: {{files: {{train: train.jsonl}}}}
---

# Made
"""
ASKED = {"instruction": "Which organ makes bile?", "output": "The liver."}
TALK = {
    "image": "a.png",
    "conversations": [
        {"from": "human", "value": "<image>\nWhat is it?"},
        {"from": "gpt", "value": "A disc."},
        {"from": "human", "value": "How large?"},
        {"from": "gpt", "value": "Twenty pixels."},
    ],
}


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    for name, format, row in (
        ("asked", "text_instruction", ASKED),
        ("talks", "llava_conversations", TALK),
    ):
        put(tmp_path / "cards" / f"{name}.md", CARD.format(format=format))
        put(tmp_path / name / "train.jsonl", f"{json.dumps(row)}\n" * 2)
    put(tmp_path / "talks" / "a.png", png(90))
    with environment.cards_in(tmp_path / "cards"):
        yield tmp_path
    chunks._reader.cache_clear()


def prepare(root: Path, *options: str) -> int:
    out = ["--out", str(root / "out"), "--data-root", str(root), "--workers", "1"]
    return cli.main(["data", "prepare", "asked", "talks", *out, *options])


def test_answers_and_tokens_of_each_card_are_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = tiny_model.processor(root / "model")
    budget = ["--min-pixels", "784", "--max-pixels", "12544"]
    assert prepare(root, *budget, "--tokenizer", str(root / "model")) == 0
    told = capsys.readouterr().out

    def size(text: str) -> int:
        return len(words.tokenizer(text, add_special_tokens=False)["input_ids"])

    ended = [size(f"{answer}<|im_end|>\n") for answer in ("The liver.", "A disc.", "Twenty pixels.")]
    assert f"taught       2 answers of 2 rows of asked: {2 * ended[0]} of " in told
    assert f"taught       4 answers of 2 rows of talks: {2 * sum(ended[1:])} of " in told
    assert "not counted" not in told


def test_a_recipe_of_the_same_model_takes_what_was_counted(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_model.processor(root / "model")
    budget = ["--min-pixels", "784", "--max-pixels", "12544"]
    assert prepare(root, *budget, "--tokenizer", str(root / "model")) == 0
    (before,) = (root / "out").glob("lengths-*.npy")
    written = before.stat().st_mtime_ns
    table = lengths.of(root / "out", str(root / "model"), tiny_model.SETTINGS)
    assert before.stat().st_mtime_ns == written and len(list((root / "out").glob("lengths-*.npy"))) == 1
    told = capsys.readouterr().out
    for card, one in taught.by_card(corpus.load(root / "out"), table).items():
        assert (
            f"{one.answers} answers of {one.rows} rows of {card}: {one.taught} of {one.tokens} tokens" in told
        )


def test_without_a_tokenizer_it_says_that_tokens_need_one(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(root) == 0
    told = capsys.readouterr().out
    assert re.search(r"^taught       2 answers of 2 rows of asked$", told, re.MULTILINE)
    assert "tokens       not counted: name the model's --tokenizer" in told
    assert not list((root / "out").glob("lengths-*.npy"))


def test_a_model_without_a_tokenizer_is_told_before_a_row_is_read(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "empty").mkdir()
    assert prepare(root, "--tokenizer", str(root / "empty")) == 66
    said = capsys.readouterr()
    assert "no tokenizer that can be read" in said.err and said.err.count("\n") == 1
    assert not (root / "out").exists()


def test_a_tokenizer_that_is_nowhere_is_told_in_words_of_ours(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(root, "--tokenizer", "/no/such") == 66
    said = capsys.readouterr().err
    assert said.endswith(
        "model '/no/such': no tokenizer that can be read: no such folder, and no name of the Hugging Face Hub (OWNER/NAME)\n"
    )
    assert said.count("\n") == 1 and not (root / "out").exists()
