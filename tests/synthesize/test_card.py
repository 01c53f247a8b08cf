"""What was made is described by a card of its own, which reads the files that were written and allows no more than its parents."""

from __future__ import annotations

from pathlib import Path

import curating
import pytest
import teaching
import tiny
from corpora import specification

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import licences
from lingshu_train.data.corpus import corpus, preparing
from lingshu_train.synthesize import _files


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished stage that has written its files too."""
    root = tmp_path_factory.mktemp("card")
    rows, answers = teaching.questions(6)
    parent = curating.corpus(root / "raw", rows)
    with teaching.teaching(teaching.reasoner(answers)) as teacher:
        stage = teaching.stage(root, parent, teacher, write_files=True)
        tiny.run_here(stage)
    return stage.path


def test_the_licence_is_the_strictest_of_the_rows_and_of_the_teachers_terms(made: Path) -> None:
    found = cards.load("synth_cot_own", folder=made / "card")
    slake, terms = cards.load("slake"), cards.load("synth_cot")
    for permission in licences.PERMISSIONS:
        given = [getattr(one.lingshu.licence, permission) for one in (slake, terms)]
        assert getattr(found.lingshu.licence, permission) == (False if False in given else None)
    assert found.lingshu.access == "local"
    assert "slake" in found.lingshu.overlaps
    assert found.lingshu.splits["train"].rows == 6
    assert "| blind | 6 | 100.0% |" in found.body


def test_what_was_made_of_credentialed_rows_is_credentialed() -> None:
    found = [cards.load("mimic_cxr"), cards.load("slake")]
    assert licences.access(found) == "credentialed"
    assert licences.strictest(found).redistribute is False


def test_the_files_are_read_as_the_rows_that_were_made(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINGSHU_CARDS", str(made / "card"))
    (tmp_path / "synth_cot_own").symlink_to(made / "files")
    preparing.prepare(
        tmp_path / "corpus", specification(tmp_path, cards=("synth_cot_own",)), workers=1, most_refused=0.0
    )
    ours, theirs = (corpus.load(folder / "corpus").samples for folder in (made, tmp_path))
    for one, other in zip(ours, theirs, strict=True):
        for name in ("question", "answer", "reasoning", "question_type", "images", "parents", "modality"):
            assert getattr(one, name) == getattr(other, name), name
        assert other.group.endswith(one.group), "no patient may cross splits later"


def test_a_card_that_comes_with_lingshu_reads_them_too(made: Path, tmp_path: Path) -> None:
    (tmp_path / "synth_cot").symlink_to(made / "files")
    wanted = specification(tmp_path, cards=("synth_cot",), part=("synth_cot",))
    preparing.prepare(tmp_path / "corpus", wanted, workers=1, most_refused=0.0)
    assert [one.reasoning for one in corpus.load(tmp_path / "corpus").samples] == [teaching.GOOD] * 6


MADE = {
    "synth_cot": {"reasoning": teaching.GOOD},
    "synth_vqa": {"question_type": "mcq", "options": {"A": "MRI", "B": "CT"}, "answer": "B"},
    "synth_long_captions": {"question": "Describe this.", "question_type": "free", "answer": teaching.GOOD},
    "synth_ocr": {
        "question": "Explain this page.",
        "question_type": "free",
        "answer": teaching.GOOD,
        "modality": "document",
    },
    "synth_text_reasoning": {"reasoning": teaching.GOOD, "modality": "text"},
}


@pytest.mark.parametrize("name", MADE)
def test_every_card_of_the_paper_reads_what_is_written_for_it(name: str, tmp_path: Path) -> None:
    shown = () if name == "synth_text_reasoning" else (curating.scene(5, side=56),)
    rows = [curating.row(f"{name}/one", *shown, parents=("slake/train/1",), card=name, **MADE[name])]
    found = corpus.load(curating.corpus(tmp_path / "made", rows) / "corpus")
    _files.write(found, tmp_path / name, cards.load(name))
    wanted = specification(tmp_path, cards=(name,), part=(name,))
    preparing.prepare(tmp_path / "corpus", wanted, workers=1, most_refused=0.0)
    (ours,), (theirs,) = found.samples, corpus.load(tmp_path / "corpus").samples
    assert (theirs.question, dict(theirs.options)) == (ours.question, dict(ours.options))
    assert (theirs.answer, theirs.reasoning, theirs.images) == (ours.answer, ours.reasoning, ours.images)
