"""What a training stage reads: lengths are those of the batches, long rows are left out and counted, mixtures keep their shares."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from layouts import stage_for
from plain_order import PlainOrder

from lingshu_train.data.corpus import lengths
from lingshu_train.data.order.selection import Selection
from lingshu_train.errors import DataError
from lingshu_train.model.settings import Settings
from lingshu_train.record import Sample
from lingshu_train.runs.stage import Stage
from lingshu_train.training.packed import Packed

pytestmark = pytest.mark.slow


@pytest.fixture
def stage(base: Path, tmp_path: Path) -> Stage:
    return stage_for(base, tmp_path, ("sft", 1, "none"))


def source(base: Path) -> Path:
    return base / "base" / "model"


def test_stored_lengths_are_those_of_the_batches_that_training_sees(base: Path, stage: Stage) -> None:
    from stock import collated

    rows = tiny.rows(stage, source(base))
    text = tiny.processor(source(base))
    data = rows.dataset(system="", whole=True)
    batch = collated(text, [data[row] for row in range(32)])
    tokens, patches = rows.costs(np.arange(32))
    assert tokens.tolist() == batch["attention_mask"].sum(dim=1).tolist()
    assert len(set(tokens.tolist())) == 3
    assert patches.sum() == batch["image_grid_thw"].prod(dim=1).sum()


def test_the_order_of_one_corpus_is_that_of_the_permutation(base: Path, stage: Stage) -> None:
    rows = tiny.rows(stage, source(base))
    expected = PlainOrder(32).rows(0, 80)
    assert [rows.row(n) for n in range(80)] == expected
    assert rows.rows(0, 80).tolist() == expected


def test_rows_that_are_too_long_stop_the_stage_unless_it_allows_for_them(base: Path, stage: Stage) -> None:
    with pytest.raises(
        DataError, match=r"data\.0: \d+ of 32 rows are longer than 60 tokens.*first is spots-\d+"
    ):
        tiny.rows(stage, source(base), tokens=60)
    rows = tiny.rows(stage, source(base), tokens=60, most=0.9)
    assert 0 < rows.left_out["data"] == 32 - len(rows)
    assert max(rows.tokens(range(len(rows)))) <= 60


def packed(base: Path, stage: Stage, *, tokens: int = 256, per_step: int = 2) -> Packed:
    return Packed(tiny.rows(stage, source(base)), stage.path, tokens=tokens, patches=None, per_step=per_step)


def test_packs_hold_every_row_of_an_epoch_once_and_no_pack_too_many_tokens(base: Path, stage: Stage) -> None:
    packs, rows = packed(base, stage), tiny.rows(stage, source(base))
    for epoch in range(2):
        first, end = packs.items(epoch), packs.items(epoch + 1)
        assert sorted(packs.rows(first, end).tolist()) == list(range(32))
        assert all(sum(rows.tokens(packs.rows(n, n + 1).tolist())) <= 256 for n in range(first, end))
    assert packs.rows(0, packs.items(1)).tolist() != packs.rows(packs.items(1), packs.items(2)).tolist()
    assert packs.fill[0] > 0.85


def test_dealing_packs_to_ranks_keeps_every_step_its_packs(base: Path, stage: Stage) -> None:
    packs = packed(base, stage, per_step=4)
    packs.cover(12)
    for step in range(3):
        assert sorted(packs.row(n) for n in range(4 * step, 4 * step + 4)) == list(
            range(4 * step, 4 * step + 4)
        )


def test_a_plan_is_read_back_as_it_was_made(base: Path, stage: Stage) -> None:
    made = packed(base, stage)
    made.cover(30)
    again = packed(base, stage)
    again.cover(30)
    assert again.rows(0, 30).tolist() == made.rows(0, 30).tolist()
    assert again.fill == made.fill


def quiz(folder: Path) -> None:
    """40 choices between organs, 20 yes/no questions, in two modalities."""
    rows = []
    for n in range(60):
        polar = n % 3 == 2
        rows.append(
            Sample(
                id=f"quiz-{n}",
                card="drawn",
                split="train",
                task="closed_vqa" if polar else "mcq",
                question="Is the liver shown?" if polar else "Which organ is shown?",
                question_type="yes_no" if polar else "mcq",
                answer="yes" if polar else "AB"[n % 2],
                options={} if polar else {"A": "liver", "B": "spleen"},
                modality=("ct", "mri")[n % 2],
            )
        )
    tiny.write_corpus(folder / "quiz" / "corpus", [(sample, []) for sample in rows])


def test_a_selection_takes_few_yes_no_questions_and_opens_choices(base: Path, tmp_path: Path) -> None:
    quiz(tmp_path)
    stage = tiny.make_stage(
        tmp_path, "rl", tiny.grpo(), parents={"quiz": tmp_path / "quiz", "short": base / "short"}
    )
    rows = tiny.rows(stage, source(base), corpus="quiz", select=Selection(yes_no_share=0.05))
    samples = [rows.sample(rows.row(n)) for n in range(len(rows))]
    kinds = Counter(sample.question_type for sample in samples)
    assert kinds["yes_no"] == round(0.05 * len(samples)) == 2
    assert kinds["mcq"] == kinds["short"] == 20
    assert {sample.answer for sample in samples if sample.question_type == "short"} == {"liver", "spleen"}
    assert not any(sample.options for sample in samples if sample.question_type == "short")
    again = tiny.rows(stage, source(base), corpus="quiz", select=Selection(yes_no_share=0.05))
    assert [again.sample(n).id for n in range(len(again))] == [rows.sample(n).id for n in range(len(rows))]


@pytest.mark.parametrize("packing", [False, True], ids=["rows", "packs"])
def test_loader_workers_read_what_the_process_itself_reads(packing: bool, base: Path, stage: Stage) -> None:
    from torch.utils.data import DataLoader

    items = packed(base, stage) if packing else tiny.rows(stage, source(base))
    data = items.dataset(system="", whole=True)
    numbers = [items.row(n) for n in range(6)]
    loaded = list(DataLoader(data, sampler=numbers, batch_size=2, num_workers=2, collate_fn=list))
    alone = [[data[number] for number in numbers[start : start + 2]] for start in (0, 2, 4)]
    assert [[item["row"] for item in batch] for batch in loaded] == [
        [item["row"] for item in batch] for batch in alone
    ]
    pictures = [item["images"] for batch in loaded for item in batch]
    expected = [item["images"] for batch in alone for item in batch]
    assert [image.tobytes() for image in flat(pictures)] == [image.tobytes() for image in flat(expected)]


def flat(nested: Any) -> list[Any]:
    return [nested] if not isinstance(nested, list) else [one for part in nested for one in flat(part)]


def test_lengths_are_found_again_whatever_the_tokenizer_was_last_asked_for(base: Path, stage: Stage) -> None:
    """Padding stays in a tokenizer, and is saved with a trained model; a second table would be measured for it."""
    wanted = Settings.model_validate_json(json.dumps(stage.model))
    text = tiny.processor(source(base))
    before = lengths._key(text, wanted)
    text.tokenizer(["a", "several words"], padding=True, truncation=True, max_length=4)
    assert lengths._key(text, wanted) == before


def test_a_measurement_that_was_ended_goes_on_from_the_parts_that_it_kept(
    base: Path, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.draw_corpus(tmp_path / "again") / "corpus"
    wanted = Settings.model_validate_json(json.dumps(stage.model))
    monkeypatch.setattr(lengths, "_CHUNK", 4)
    monkeypatch.setattr(lengths, "_PART", 8)
    real, measured = lengths._part, []

    def ended(*args: Any) -> Any:
        if len(measured) == 5:
            raise KeyboardInterrupt
        measured.append(args[-1])
        return real(*args)

    monkeypatch.setattr(lengths, "_part", ended)
    with pytest.raises(KeyboardInterrupt):
        lengths.of(folder, str(source(base)), wanted)
    assert measured == [0, 4, 8, 12, 16]
    [kept] = folder.glob(".lengths-*.parts")
    assert sorted(part.name for part in kept.iterdir()) == ["0.npy", "8.npy"]
    data = bytearray((kept / "8.npy").read_bytes())
    data[-200] ^= 1
    (kept / "8.npy").write_bytes(data)
    measured.clear()
    monkeypatch.setattr(lengths, "_part", lambda *args: measured.append(args[-1]) or real(*args))
    found = lengths.of(folder, str(source(base)), wanted)
    assert measured == list(range(8, 40, 4)), "what is whole is taken over, what is damaged is measured again"
    assert not list(folder.glob(".lengths-*"))
    fresh = tiny.draw_corpus(tmp_path / "fresh") / "corpus"
    assert np.array_equal(found, lengths.of(fresh, str(source(base)), wanted))
