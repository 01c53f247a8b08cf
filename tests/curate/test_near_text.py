"""Almost equal texts are found, and what a doctor would not call the same is never taken for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from curating import caption, decided, named, row, scene

from lingshu_train.curate import _words, near_text
from lingshu_train.curate._candidate import Candidate

REPORT = (
    "There is a 3 mm nodule in the right lower lobe with smooth margins and no calcification, the heart is of usual size and "
    "shape, the bones show mild degenerative change of the thoracic spine, and the T1-weighted images add nothing further"
)
STEP = {"name": "near_text"}


def changed(old: str, new: str) -> str:
    assert old in REPORT
    return REPORT.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("3 mm", "30 mm"),
        ("3 mm", "3 cm"),
        ("3 mm", "4 mm"),
        ("right", "left"),
        ("no calcification", "a calcification"),
        ("T1", "T2"),
        ("lower", "upper"),
        ("smooth", "non-smooth"),
    ],
)
def test_a_word_that_decides_keeps_both_rows(tmp_path: Path, old: str, new: str) -> None:
    rows = [caption("one", REPORT), caption("other", changed(old, new))]
    assert named(decided(tmp_path, rows, STEP)) == {}


def test_a_word_that_decides_nothing_makes_a_copy(tmp_path: Path) -> None:
    rows = [
        caption("one", REPORT),
        caption("copy", changed("further", "more")),
        caption("case", REPORT.upper()),
        caption("elsewhere", REPORT, split="held_out"),
    ]
    found = decided(tmp_path, rows, STEP)
    assert named(found) == {"copy": "one", "case": "one"}
    assert found[0]["value"] == "0.95"


def test_rows_with_other_pictures_or_other_answers_are_never_compared(tmp_path: Path) -> None:
    long = REPORT + " what is it?"
    rows = [
        caption("one", REPORT, scene(1)),
        caption("other picture", REPORT, scene(2)),
        row("question", scene(1), question=long, answer="granuloma"),
        row("other answer", scene(1), question=long, answer="hamartoma"),
    ]
    assert named(decided(tmp_path, rows, STEP)) == {}


def test_chinese_is_compared_sign_by_sign(tmp_path: Path) -> None:
    text = "胸部平片显示心影大小正常，两肺纹理清晰，未见明显实变影，肋膈角锐利，右肺下叶可见小结节影，建议随访观察，骨质结构完整"
    rows = [
        caption("one", text),
        caption("copy", text.replace("清晰", "清楚")),
        caption("other side", text.replace("右肺", "左肺")),
        caption("seen", text.replace("未见", "可见")),
    ]
    assert set(named(decided(tmp_path, rows, STEP))) == {"copy"}


def test_candidates_miss_hardly_any_pair_that_the_exact_similarity_finds() -> None:
    draw = np.random.default_rng(5)
    words = np.array([f"w{n}x" for n in range(400)])
    texts = []
    for _ in range(120):
        base = draw.choice(words, 60)
        other = base.copy()
        other[draw.integers(0, 60, draw.integers(1, 4))] = draw.choice(words)
        texts += [" ".join(base), " ".join(other)]
    params = near_text.Params()
    rows = [Candidate(number=n, sample=caption(str(n), text)[0], pictures=()) for n, text in enumerate(texts)]
    bands = np.array([near_text.measure(each, params) for each in rows])
    runs = [_words.shingles(_words.of_row(each.sample), 3) for each in rows]
    near = [
        (one, two)
        for one in range(len(rows))
        for two in range(one)
        if _words.jaccard(runs[one], runs[two]) >= params.least
    ]
    found = sum(bool((bands[one] == bands[two]).any()) for one, two in near)
    assert len(near) > 60
    assert found / len(near) >= 0.98
    strangers = [(bands[n] == bands[n + 2]).any() for n in range(0, len(rows) - 2, 2)]
    assert not any(strangers)


def test_a_chain_of_changes_is_compared_with_the_row_that_stays(tmp_path: Path) -> None:
    step = {"name": "near_text", "params": {"words": 1, "least": 0.93}}
    two, three = (
        changed("further", "more"),
        changed("further", "more").replace("usual", "usual plain good"),
    )
    found = decided(tmp_path, [caption("1", REPORT), caption("2", two), caption("3", three)], step)
    assert named(found) == {"2": "1"}, "the third is near the second, which is gone, and not near the first"


def test_what_is_known_is_compared_with_what_is_new_and_not_with_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    plain = _words.jaccard
    monkeypatch.setattr(_words, "jaccard", lambda one, other: compared.append(1) or plain(one, other))  # type: ignore[func-returns-value]
    known = [caption("there", REPORT), caption("there too", changed("further", "more"))]
    rows = [
        caption("new", changed("usual", "plain")),
        caption("other", "Nothing of the kind is to be seen here."),
    ]
    assert named(decided(tmp_path, rows, STEP, known=known)) == {"new": "there"}
    assert len(compared) == 1, (
        "the first known row is near enough, and the two are not held against each other"
    )
