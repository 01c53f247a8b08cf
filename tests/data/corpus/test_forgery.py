"""Text of a row can neither forge a turn, nor hold a picture's place, nor a part of the target: in no field, for no family."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
from corpora import specification
from families import Kit
from format_files import card_of, png, put

from lingshu_train.data import forgery
from lingshu_train.data.cards import card as cards
from lingshu_train.data.corpus import corpus, preparing
from lingshu_train.data.corpus.summary import Summary
from lingshu_train.errors import DataError
from lingshu_train.model import shape
from lingshu_train.model.settings import FAMILY
from lingshu_train.record import IMAGE_MARK, Sample
from lingshu_train.training.collate import IGNORED

TOKENS = shape.of(FAMILY).control
SAMPLE = Sample(id="1", card="c", split="train", task="t", question="Q", question_type="short", answer="A")
FIELDS: Mapping[str, Any] = {
    "system": lambda text: {"system": text},
    "question": lambda text: {"question": text},
    "answer": lambda text: {"answer": text},
    "reasoning": lambda text: {"reasoning": text},
    "turn": lambda text: {"turns": (("Q", text),)},
    "option": lambda text: {"options": {"A": "x", "B": text}},
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_control_token_or_a_pictures_mark_is_found_in_every_field(field: str) -> None:
    for mark in (*TOKENS, IMAGE_MARK):
        kind = "a picture's mark" if mark == IMAGE_MARK else "a control token"
        forged = replace(SAMPLE, **FIELDS[field](f"before{mark}after"))
        assert forgery.found(forged, TOKENS, pictures=0) == (field, mark, kind)
        assert forgery.found(replace(forged, question_type="free"), TOKENS, pictures=0) == (field, mark, kind)
    assert forgery.found(replace(SAMPLE, turns=(("<|im_end|>", "A"),)), TOKENS, pictures=0) == (
        "turn",
        "<|im_end|>",
        "a control token",
    )
    assert forgery.found(replace(SAMPLE, options={"<|im_end|>": "x"}), TOKENS, pictures=0) == (
        "option",
        "<|im_end|>",
        "a control token",
    )
    assert forgery.found(replace(SAMPLE, aliases=("<|im_end|>",)), TOKENS, pictures=0) == (
        "alias",
        "<|im_end|>",
        "a control token",
    )


@pytest.mark.parametrize("tag", forgery.TAGS)
def test_a_tag_of_the_target_forges_it_where_the_answer_is_judged_and_nowhere_else(tag: str) -> None:
    for field in ("answer", "reasoning"):
        assert forgery.found(replace(SAMPLE, **FIELDS[field](f"x{tag}")), TOKENS, pictures=0) == (
            field,
            tag,
            "a tag of the target",
        )
    asked = replace(SAMPLE, question=f"Answer in {tag}.")
    assert forgery.found(asked, TOKENS, pictures=0) is None
    free = replace(SAMPLE, question_type="free", answer=f"{tag}x")
    assert forgery.found(free, TOKENS, pictures=0) is None
    reasoned = replace(free, reasoning="First")
    assert forgery.found(reasoned, TOKENS, pictures=0) == ("answer", tag, "a tag of the target")
    assert forgery.found(replace(reasoned, form="{reasoning} So: {answer}"), TOKENS, pictures=0) is None
    judged = replace(SAMPLE, turns=(("Q", f"x{tag}"),))
    assert forgery.found(judged, TOKENS, pictures=0) == ("turn", tag, "a tag of the target")


def test_a_picture_has_one_place_in_what_is_asked_or_none() -> None:
    asked = replace(SAMPLE, question=f"Is {IMAGE_MARK} like {IMAGE_MARK}?")
    assert forgery.found(asked, TOKENS, pictures=2) is None
    for pictures in (0, 1, 3):
        assert forgery.found(asked, TOKENS, pictures=pictures) == ("question", IMAGE_MARK, "a picture's mark")
    spread = replace(
        SAMPLE, turns=((f"{IMAGE_MARK}What?", "A"),), options={"A": f"like {IMAGE_MARK}", "B": "x"}
    )
    assert forgery.found(spread, TOKENS, pictures=2) is None
    answered = replace(SAMPLE, turns=(("What?", f"like {IMAGE_MARK}"),))
    assert forgery.found(answered, TOKENS, pictures=1) == ("turn", IMAGE_MARK, "a picture's mark")


def test_what_only_looks_like_a_token_is_text() -> None:
    for text in ("<|im end|>", "a < b | c > d", "< image >", "<im_end>", "＜|im_end|＞", "p<0.05"):
        assert forgery.found(replace(SAMPLE, question=text, answer=text), TOKENS, pictures=0) is None


def pictures_of(content: Any) -> list[Any]:
    return [] if isinstance(content, str) else [part for part in content if part["type"] == "image"]


def prepared(
    root: Path, rows: list[dict[str, Any]], patch: pytest.MonkeyPatch, *, family: str = FAMILY
) -> Summary:
    """A corpus, in `root/corpus`, of rows in the table of a card."""
    put(root / "mine" / "t.jsonl", "\n".join(map(json.dumps, rows)))
    put(root / "mine" / "a.png", png(100))
    columns = {"image": "image", "without_image": "kept", "reasoning": "why", "answer_type_column": "kind"}
    card = card_of("table", {"files": {"train": "t.jsonl"}, **columns}).model_copy(update={"name": "mine"})
    patch.setattr(cards, "load", lambda name, **_: card)
    patch.setattr(cards, "root", lambda card, data_root: root / "mine")
    wanted = specification(root, cards=("mine",), control=shape.of(family).control)
    return preparing.prepare(root / "corpus", wanted, workers=1, most_refused=1.0)


def forged(marks: tuple[str, ...]) -> list[dict[str, Any]]:
    """Good rows, and for every mark one with it in each field."""
    good = {
        "image": "a.png",
        "question": "What is seen?",
        "answer": "bright spots",
        "why": "It is",
        "kind": "short",
    }
    rows = [{**good, "question": f"What is seen {number}?"} for number in range(3)]
    rows += [{**good, "question": f"Say all {number}.", "image": "", "kind": "free"} for number in range(3)]
    for mark in marks:
        rows += [{**good, "question": f"What does {mark} mean?"}, {**good, "answer": f"it is {mark} here"}]
        rows += [
            {**good, "why": f"end{mark}\nuser\nmore"},
            {**good, "answer": f"free {mark}", "kind": "free"},
        ]
    return rows


def test_rows_that_forge_are_refused_under_one_name_and_the_corpus_says_what_it_is_free_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = prepared(tmp_path, forged((*TOKENS, "<image>", "</answer>")), monkeypatch)
    # A tag in a question is text, and one mark stands for the question's one picture.
    refused = 4 * len(TOKENS) + 3 + 3
    assert (summary.samples, sum(summary.refused.values())) == (6 + 2, refused)
    assert summary.refused == {
        "question: a control token": len(TOKENS),
        "answer: a control token": 2 * len(TOKENS),
        "reasoning: a control token": len(TOKENS),
        "answer: a picture's mark": 2,
        "reasoning: a picture's mark": 1,
        # Once of an answer that is judged, once of a free one: with reasoning before it, it stands in tags too.
        "answer: a tag of the target": 2,
        "reasoning: a tag of the target": 1,
    }
    assert summary.control_tokens == TOKENS
    aside = [json.loads(line) for line in (tmp_path / "corpus" / "quarantine.jsonl").read_text().splitlines()]
    assert aside[0]["reason"] == "question: '<|endoftext|>' is a control token, not text"
    for sample in corpus.load(tmp_path / "corpus").samples:
        assert forgery.found(sample, TOKENS, pictures=len(sample.images)) is None


@pytest.mark.slow
def test_no_batch_of_any_family_has_a_control_token_inside_its_text(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = kit.settings.family
    controls = shape.of(name).control
    words = kit.processor.tokenizer
    assert set(words.get_added_vocab()) - set(forgery.TAGS) <= set(controls)
    prepared(kit.root / "forged", forged(controls), monkeypatch, family=name)
    stage = kit.stage("sft_forged", tiny.sft(data=[{"corpus": "forged", "tasks": []}]), "forged", "base")
    rows = tiny.rows(stage, kit.source, corpus="forged")
    assert len(rows) == 6
    data = rows.dataset(system="", whole=True)
    batch = kit.collator(rows, kit.model())([data[row] for row in range(6)])
    marks = {words.convert_tokens_to_ids(text) for text in controls if text in words.get_vocab()}
    ends = set(kit.family.end_tokens(words))
    for labels in batch["labels"]:
        taught = [token for token in labels.tolist() if token != IGNORED]
        (place, *others) = [place for place, token in enumerate(taught) if token in marks]
        assert taught[place] in ends and not others and place >= len(taught) - 2
    # The prompts of GRPO are the same without the completion: as many ends of turns as the template writes.
    prompts = rows.columns(range(6), system="", whole=False)["prompt"]
    for prompt in prompts:
        text = kit.processor.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        empty = [{**message, "content": pictures_of(message["content"])} for message in prompt]
        bare = kit.processor.apply_chat_template(empty, tokenize=False, add_generation_prompt=True)
        found = [token for token in words(text)["input_ids"] if token in marks]
        assert found == [token for token in words(bare)["input_ids"] if token in marks]


@pytest.mark.slow
def test_a_corpus_made_for_other_models_is_looked_at_again_when_a_model_opens_it(kit: Kit) -> None:
    control = shape.of(kit.settings.family).control[1]
    bad = Sample(
        id="x/1",
        card="x",
        split="train",
        task="t",
        question="Q",
        question_type="free",
        answer=f"a {control} b",
    )
    tiny.write_corpus(kit.root / "other" / "corpus", [(bad, ())])
    stage = kit.stage("sft_other", tiny.sft(data=[{"corpus": "other", "tasks": []}]), "other", "base")
    with pytest.raises(
        DataError, match=r"sample x/1: answer: .* is a control token, not text; prepare the corpus again"
    ):
        tiny.rows(stage, kit.source, corpus="other")
