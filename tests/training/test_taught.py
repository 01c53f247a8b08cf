"""Labels are the answers, all of them and nothing else: in dialogues, at any place of pictures, padded and packed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from stock import Kit, collated, make_kit
from trl.data_utils import prepare_multimodal_messages

from lingshu_train.data import chat, lessons
from lingshu_train.errors import RecipeError
from lingshu_train.record import Sample
from lingshu_train.training.collate import IGNORED

pytestmark = pytest.mark.slow

ONE = Sample(
    id="one",
    card="drawn",
    split="train",
    task="t",
    question="How many bright spots?",
    question_type="free",
    answer="There are two.",
)
DIALOGUES = (
    ONE,
    replace(ONE, id="three", turns=(("Is it dark?", "Yes, quite."), ("Where?", "On the left."))),
    replace(ONE, id="reasoned", reasoning="I count them.", turns=(("Is it dark?", "Yes."),)),
    replace(ONE, id="later", question="And here: <image>?", turns=(("Is this dark? <image>", "Yes."),)),
    replace(ONE, id="options", question="Which?", options={"A": "<image>", "B": "<image>", "C": "none"}),
    replace(ONE, id="told", system="Be terse."),
    replace(ONE, id="told often", system="Be terse.", turns=(("Is it dark?", "Yes."), ("Where?", "Left."))),
)


@pytest.fixture(scope="module")
def kit(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Kit:
    folder = tmp_path_factory.mktemp("taught")
    rows = []
    for number, sample in enumerate(DIALOGUES):
        count = chat.marks(sample) or number % 2
        pictures = [tiny_picture(10 * number + n, n) for n in range(count)]
        rows.append((replace(sample, group=sample.id), tuple(pictures)))
    tiny.write_corpus(folder / "dialogues" / "corpus", rows)
    prepare = {"kind": "prepare", "cards": ["package_pydicom"], "image_size": 56, "questions": {}}
    tiny.finish(tiny.make_stage(folder, "dialogues", prepare, parents={}), outputs=["corpus"])
    made = make_kit(base, folder, corpus="data")
    stage = tiny.make_stage(
        folder, "sft", tiny.sft(data=[{"corpus": "dialogues"}]), parents={"dialogues": folder / "dialogues"}
    )
    return replace(made, stage=stage, rows=tiny.rows(stage, made.source, corpus="dialogues"))


def tiny_picture(seed: int, n: int) -> Any:
    from PIL import Image

    draw = torch.Generator().manual_seed(seed)
    return Image.fromarray(torch.randint(0, 255, (56 + 28 * n, 56, 3), generator=draw).byte().numpy())


def taught(kit: Kit, labels: torch.Tensor) -> Iterator[str]:
    """The text of each unbroken stretch of labels."""
    stretch: list[int] = []
    for label in [*labels.tolist(), IGNORED]:
        if label != IGNORED:
            stretch.append(label)
        elif stretch:
            yield kit.text.tokenizer.decode(stretch)
            stretch = []


def test_every_answer_is_taught_with_the_end_of_its_turn_and_nothing_else(kit: Kit) -> None:
    data = kit.rows.dataset(system="", whole=True)
    batch = kit.collator(kit.model())([data[row] for row in range(len(DIALOGUES))])
    for row, labels in enumerate(batch["labels"]):
        sample = kit.rows.sample(row)
        answers = [*(answer for _, answer in sample.turns), chat.target(sample)]
        assert list(taught(kit, labels)) == [f"{answer}<|im_end|>\n" for answer in answers]
    assert torch.equal(
        batch["labels"][batch["labels"] != IGNORED], batch["input_ids"][batch["labels"] != IGNORED]
    )


def test_a_system_prompt_of_the_rows_own_stands_once_in_place_of_the_recipes_and_is_given(kit: Kit) -> None:
    data = kit.rows.dataset(system="Be kind.", whole=True)
    for row in range(len(DIALOGUES)):
        own = kit.rows.sample(row).system
        first, second, *_ = data[row]["messages"]
        assert (first["role"], first["content"]) == ("system", own or "Be kind.")
        assert second["role"] == "user"
    data = kit.rows.dataset(system="", whole=True)
    at = {kit.rows.sample(row).id: row for row in range(len(DIALOGUES))}
    batch = kit.collator(kit.model())([data[at["told often"]]])
    given = batch["labels"][0] == IGNORED
    said = kit.text.tokenizer.decode(batch["input_ids"][0][given])
    assert said.startswith("<|im_start|>system\nBe terse.<|im_end|>\n<|im_start|>user\n")
    assert said.count("Be terse.") == 1
    assert list(taught(kit, batch["labels"][0])) == [
        f"{answer}<|im_end|>\n" for answer in ("Yes.", "Left.", ONE.answer)
    ]


@pytest.mark.parametrize("packing", [False, True], ids=["padded", "packed"])
def test_a_picture_that_a_dialogue_asks_about_often_is_encoded_once(kit: Kit, packing: bool) -> None:
    """Pixels are counted in what the vision tower is given, beside the answers that read them."""
    data = kit.rows.dataset(system="", whole=True)
    at = {kit.rows.sample(row).id: row for row in range(len(DIALOGUES))}
    one = data[at["three"]]
    batch = kit.collator(kit.model(), packing=packing)([one])
    assert len(one["images"]) == 1 and len(list(taught(kit, batch["labels"][0]))) == 3
    (grid,) = batch["image_grid_thw"].tolist()
    wide, high = one["images"][0].size
    assert (grid[2] * 14, grid[1] * 14) == (wide, high)
    assert len(batch["pixel_values"]) == grid[0] * grid[1] * grid[2]
    batch = kit.collator(kit.model(), packing=packing)([data[row] for row in range(len(DIALOGUES))])
    pictures = [one for row in range(len(DIALOGUES)) for one in data[row]["images"]]
    answers = sum(chat.answers(kit.rows.sample(row)) for row in range(len(DIALOGUES)))
    assert len(batch["image_grid_thw"]) == len(pictures) < answers
    assert len(batch["pixel_values"]) == sum(
        wide * high // 14**2 for wide, high in (one.size for one in pictures)
    )


def test_packed_and_padded_teach_the_same_tokens(kit: Kit) -> None:
    data, model = kit.rows.dataset(system="", whole=True), kit.model()
    rows = [data[row] for row in range(len(DIALOGUES))]
    padded, packed = kit.collator(model)(rows), kit.collator(model, packing=True)(rows)
    real = padded["attention_mask"].bool()
    for name in ("input_ids", "labels"):
        assert torch.equal(packed[name][0], padded[name][real])


def test_a_row_of_one_answer_is_what_trl_makes_of_prompt_and_completion(kit: Kit) -> None:
    data = kit.rows.dataset(system="", whole=True)
    single = [row for row in range(len(DIALOGUES)) if not kit.rows.sample(row).turns]
    ours, theirs = (
        kit.collator(kit.model())([data[row] for row in single]),
        collated(kit.text, [data[row] for row in single]),
    )
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        assert torch.equal(ours[name], value), name


def test_pictures_tokens_stand_where_their_marks_do(kit: Kit) -> None:
    data, text = kit.rows.dataset(system="", whole=True), kit.text
    at = {kit.rows.sample(row).id: row for row in range(len(DIALOGUES))}
    batch = kit.collator(kit.model())([data[at["later"]]])
    said = text.tokenizer.decode(batch["input_ids"][0])
    first, between, second = (
        said.index(word) for word in ("Is this dark? <|vision_start|>", "Yes.", "And here: <|vision_start|>")
    )
    assert first < between < second
    grids = batch["image_grid_thw"].tolist()
    assert grids[0] != grids[1], "each at its own place"
    batch = kit.collator(kit.model())([data[at["options"]]])
    said = text.tokenizer.decode(batch["input_ids"][0])
    assert said.index("A. <|vision_start|>") < said.index("B. <|vision_start|>") < said.index("C. none")


def test_a_model_sees_in_a_dialogue_what_it_sees_of_each_answer_alone(kit: Kit) -> None:
    """The loss over a dialogue is that over its answers, each as the last of what came before it."""
    model, data = kit.model().eval(), kit.rows.dataset(system="", whole=True)
    row = next(row for row in range(len(DIALOGUES)) if kit.rows.sample(row).id == "three")
    together = kit.collator(model)([data[row]])
    messages, images = data[row]["messages"], data[row]["images"]
    total = 0.0
    for end in (2, 4, 6):
        part = collated(kit.text, [{"messages": messages[:end], "images": images}])
        with torch.no_grad():
            total += float(model(**part).loss) * int((part["labels"] != IGNORED).sum())
    with torch.no_grad():
        whole = float(model(**together).loss) * int((together["labels"] != IGNORED).sum())
    assert whole == pytest.approx(total, rel=1e-5)


def test_a_template_that_rewrites_earlier_turns_is_refused(kit: Kit) -> None:
    template = "{% for m in messages %}{% if m.role == 'assistant' and not loop.last %}...{% else %}{{ m.content }}{% endif %}|{% endfor %}"
    text = tiny.processor(kit.source)
    text.chat_template = template
    three = chat.conversation(DIALOGUES[1])
    with pytest.raises(RecipeError, match="writes a turn differently once others follow"):
        lessons.lessons(text, [three])


def test_the_prompt_of_a_rollout_is_what_stands_before_the_last_answer(kit: Kit) -> None:
    """As TRL prepares it: all its pictures at their places, earlier answers included."""
    rows = range(len(DIALOGUES))
    given = kit.rows.columns(rows, system="", whole=False)
    whole = kit.rows.columns(rows, system="", whole=True)
    read = lessons.lessons(kit.text, whole["messages"])  # type: ignore[arg-type]
    for prompt, images, lesson in zip(given["prompt"], given["images"], read, strict=True):
        messages = prepare_multimodal_messages(prompt, images=images)
        assert (
            kit.text.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            == lesson.prompt
        )
