"""What is kept beside a corpus or a stage is made again where it is damaged, or was made from something else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny
from layouts import stage_for

from lingshu_train.data.corpus import corpus
from lingshu_train.data.order.selection import Selection
from lingshu_train.runs.arrays import save_array, sealed
from lingshu_train.training import feed
from lingshu_train.training.packed import Packed


def rolled(path: Path) -> None:
    """Other values in a whole file, as another program would write it."""
    np.save(path, np.roll(np.load(path), 1, axis=0))


def emptied(path: Path) -> None:
    """Other rows in a whole file, with the seal of before."""
    with np.load(path) as found:
        parts = dict(found)
    np.savez(path, **{**parts, "rows": parts["rows"][:1]})


def halved(path: Path) -> None:
    np.save(path, np.load(path)[: len(np.load(path)) // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGE = pytest.mark.parametrize("damage", [rolled, halved, flip, cut, empty, Path.unlink])


@pytest.fixture
def data(base: Path, tmp_path: Path) -> Path:
    for name in ("data", "base"):
        # Without what other tests have chosen of the same corpus.
        shutil.copytree(base / name, tmp_path / name, ignore=shutil.ignore_patterns("chosen-*", "lengths-*"))
    return tmp_path


def rows(data: Path, **options: object) -> feed.Rows:
    stage = stage_for(data, data, ("sft", 1, "none"))
    return tiny.rows(stage, data / "base" / "model", **options)


@DAMAGE
@pytest.mark.parametrize("name", ["chosen", "lengths"])
def test_choices_of_rows_and_lengths_beside_a_corpus(
    name: str, damage: Callable[[Path], None], data: Path
) -> None:
    first, numbers = rows(data), np.arange(32)
    samples, lengths = tiny.samples(first), first._stored(numbers)
    kept = list((data / "data" / "corpus").glob(f"{name}-*.npy"))
    bits = {path: path.read_bytes() for path in kept}
    assert kept
    for path in kept:
        damage(path)
    again = rows(data)
    assert tiny.samples(again) == samples
    assert np.array_equal(again._stored(numbers), lengths)
    found = {path: path.read_bytes() for path in kept}
    assert found == bits, "made again to the same bytes"


def test_choices_of_another_corpus_under_the_same_name_are_not_taken(data: Path) -> None:
    tiny.draw_corpus(data / "other", rows=20)
    assert len(corpus.load(data / "other" / "corpus", split="train")) == 12
    (other,) = (data / "other" / "corpus").glob("chosen-*.npy")
    mine = data / "data" / "corpus" / other.name
    shutil.copy(other, mine)
    assert len(corpus.load(data / "data" / "corpus", split="train")) == 32


@DAMAGE
def test_packs_beside_a_stage(damage: Callable[[Path], None], data: Path) -> None:
    def packs() -> list[list[int]]:
        made = Packed(rows(data), data / "stage", tokens=130, patches=None, per_step=2)
        return [made.rows(n, n + 1).tolist() for n in range(len(made))] + [made.fill]  # type: ignore[list-item]

    first = packs()
    for path in sorted((data / "stage" / "packs").glob("*.npy")):
        damage(path)
        assert packs() == first, path.name


@pytest.mark.parametrize("damage", [emptied, flip, cut, empty, Path.unlink])
def test_the_selection_of_a_stage(damage: Callable[[Path], None], data: Path) -> None:
    wanted = Selection(size=8)
    first = tiny.samples(rows(data, select=wanted))
    damage(data / "sft" / "selection.npz")
    assert tiny.samples(rows(data, select=wanted))[:8] == first[:8]


def test_another_selection_is_made_anew(data: Path) -> None:
    assert len(rows(data, select=Selection(size=8))) == 8
    assert len(rows(data, select=Selection(size=4))) == 4


@pytest.mark.parametrize("damage", [flip, cut, empty, Path.unlink])
def test_the_numbers_of_the_rows(damage: Callable[[Path], None], tmp_path: Path) -> None:
    feed.numbered(tmp_path, 50)
    damage(tmp_path / "numbers-50.arrow")
    assert feed.numbered(tmp_path, 50)["row"][:] == list(range(50))


def test_a_sealed_array_is_read_by_others_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "some.npy"
    save_array(path, np.arange(6).reshape(2, 3), key="made from this")
    assert np.load(path).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert sealed(path, "made from that") is None
    found = sealed(path, "made from this")
    assert isinstance(found, np.memmap)
    assert found.tolist() == [[0, 1, 2], [3, 4, 5]]
