"""Cards become a corpus: the same one by any number of processes, after any number of kills, with the bad rows put aside."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import format_files
import pytest
from corpora import contents, specification
from format_files import put, put_csv
from PIL import Image

from lingshu_train.data.corpus import corpus, preparing
from lingshu_train.data.corpus.specification import QuestionCount, Specification
from lingshu_train.errors import DataError, MissingInput

HEAD = ["Figure_path", "Question", "Answer", "Choice A", "Choice B", "Choice C", "Choice D"]


def pmc_vqa(root: Path, *, rows: int, bad: int = 0) -> Path:
    """The publisher's layout: a CSV and a folder of figures, three rows a figure; the last `bad` rows name no figure."""
    folder = root / "pmc_vqa"
    lines = [HEAD]
    for number in range(rows):
        name = f"PMC{number // 3}_f1.jpg"
        path = folder / "figures" / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.effect_noise((64 + number % 40, 48), 80).convert("RGB").save(path, quality=90)
        name = "gone.jpg" if number >= rows - bad else name
        lines.append(
            [name, f"What is shown in figure {number}?", "B", "a bone", "a lung", "a heart", "a liver"]
        )
    put_csv(folder / "train.csv", lines)
    put_csv(folder / "train_2.csv", lines)
    return folder


def prepare(
    folder: Path, wanted: Specification, *, workers: int = 1, most_refused: float = 0.01
) -> corpus.Summary:
    return preparing.prepare(folder, wanted, workers=workers, most_refused=most_refused)


def test_rows_become_samples_with_the_cards_name_and_their_pictures(tmp_path: Path) -> None:
    pmc_vqa(tmp_path, rows=9)
    summary = prepare(tmp_path / "out", specification(tmp_path))
    assert (summary.samples, summary.images) == (9, 3)
    first = corpus.load(tmp_path / "out").sample(0)
    assert first.id.startswith("pmc_vqa/train/train_2")
    assert (first.answer, dict(first.options)["B"], first.group) == ("B", "a lung", "PMC0")


def test_pictures_bear_their_hash_and_one_suffix_in_the_tar(tmp_path: Path) -> None:
    """Readers of WebDataset take what stands behind the first dot for the kind of a file."""
    pmc_vqa(tmp_path, rows=3)
    asked = (QuestionCount(task="modality", train=1, held_out=0),)
    prepare(tmp_path / "out", specification(tmp_path, cards=("package_pydicom", "pmc_vqa"), asked=asked))
    with tarfile.open(tmp_path / "out" / "images-00000.tar") as tar:
        for member, suffix in zip(tar, ("png", "jpg"), strict=True):
            stream = tar.extractfile(member)
            assert stream is not None
            assert member.name == f"{hashlib.sha256(stream.read()).hexdigest()}.{suffix}"


def test_several_processes_write_the_corpus_of_one(tmp_path: Path) -> None:
    pmc_vqa(tmp_path, rows=300, bad=2)
    asked = (QuestionCount(task="modality", train=70, held_out=15),)
    wanted = specification(tmp_path, cards=("package_pydicom", "package_nilearn", "pmc_vqa"), asked=asked)
    alone = prepare(tmp_path / "alone", wanted)
    together = prepare(tmp_path / "together", wanted, workers=3)
    assert alone == together
    assert alone.samples == 300 - 2 + 85
    assert contents(tmp_path / "alone") == contents(tmp_path / "together")


def test_a_preparation_that_was_killed_goes_on_to_the_same_corpus(tmp_path: Path) -> None:
    """In a process of its own, with shards of 100 rows, killed when the second one is on disk."""
    pmc_vqa(tmp_path, rows=900)
    program = (
        "import sys; from pathlib import Path\n"
        "sys.path[:0] = sys.argv[1].split(':')\n"
        "from corpora import specification\n"
        "from lingshu_train.data.corpus import preparing, writer\n"
        "writer.SHARD_ROWS = 100\n"
        "preparing.prepare(Path(sys.argv[2]), specification(Path(sys.argv[3])), workers=2, most_refused=0.0)\n"
    )
    command = [
        sys.executable,
        "-c",
        program,
        os.pathsep.join([str(Path(__file__).parent), str(Path(format_files.__file__).parent)]),
    ]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run([*command, str(whole), str(tmp_path)], check=True, stderr=subprocess.DEVNULL)
    process = subprocess.Popen(
        [*command, str(cut), str(tmp_path)], stderr=subprocess.DEVNULL, start_new_session=True
    )
    while not (cut / "rows-00001.arrow").is_file():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (cut / "corpus.json").exists()
    subprocess.run([*command, str(cut), str(tmp_path)], check=True, stderr=subprocess.DEVNULL)
    assert contents(cut) == contents(whole)
    assert corpus.load(cut).samples == corpus.load(whole).samples


def test_bad_rows_are_put_aside_with_file_line_and_reason(tmp_path: Path) -> None:
    pmc_vqa(tmp_path, rows=9, bad=1)
    summary = prepare(tmp_path / "out", specification(tmp_path), most_refused=0.2)
    assert (summary.samples, sum(summary.refused.values())) == (8, 1)
    (line,) = (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()
    found = json.loads(line)
    assert found["card"] == "pmc_vqa"
    assert found["where"].endswith("train_2.csv:10")
    assert "gone.jpg" in found["reason"]


def test_too_many_bad_rows_stop_it(tmp_path: Path) -> None:
    pmc_vqa(tmp_path, rows=9, bad=2)
    with pytest.raises(
        DataError, match=r"pmc_vqa train: 2 of 9 rows refused, more than most_refused=0\.01.*gone\.jpg"
    ):
        prepare(tmp_path / "out", specification(tmp_path))


def test_a_picture_with_a_side_too_small_is_refused(tmp_path: Path) -> None:
    pmc_vqa(tmp_path, rows=9)
    summary = prepare(tmp_path / "out", specification(tmp_path, least_side=49), most_refused=1.0)
    assert summary.refused == {"image: a side under 49 pixels": 9}


def test_a_card_without_data_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"pmc_vqa \(open\): lingshu data fetch pmc_vqa"):
        prepare(tmp_path / "out", specification(tmp_path))


def test_a_finished_corpus_is_not_made_again(tmp_path: Path) -> None:
    folder = pmc_vqa(tmp_path, rows=9)
    summary = prepare(tmp_path / "out", specification(tmp_path))
    (folder / "train_2.csv").unlink()
    assert prepare(tmp_path / "out", specification(tmp_path)) == summary


def test_a_prepared_corpus_is_taken_as_it_is_without_a_second_copy(tmp_path: Path) -> None:
    pmc_vqa(tmp_path, rows=9)
    summary = prepare(tmp_path / "out", specification(tmp_path))
    assert preparing.link(tmp_path / "out", tmp_path / "linked") == summary
    assert contents(tmp_path / "linked") == contents(tmp_path / "out")
    assert (tmp_path / "linked" / "images-00000.tar").stat().st_nlink == 2
    assert corpus.load(tmp_path / "linked").samples == corpus.load(tmp_path / "out").samples


def lingshu(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lingshu_train", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_the_verb_prepares_and_a_recipe_takes_what_it_made(tmp_path: Path) -> None:
    pmc_vqa(tmp_path / "data", rows=9)
    done = lingshu("data", "prepare", "pmc_vqa", "--workers", "2", "--max-pixels", "12544", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = done.stdout.splitlines()[-1].split()[-1]
    assert folder.startswith("data/prepared/pmc_vqa-")
    assert "samples      9 (train 9)" in done.stdout
    recipe = (
        "defaults: [quickstart, _self_]\nname: mine\noutput: out\npipeline: [data]\n"
        f"stages: {{data: {{cards: [pmc_vqa], prepared: {folder}, questions: {{}}}}}}\n"
    )
    put(tmp_path / "mine.yaml", recipe)
    run = lingshu("run", "mine.yaml", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    (made,) = tmp_path.glob("out/data-*/corpus")
    assert contents(made) == contents(tmp_path / folder)


@pytest.mark.slow
def test_mistakes_of_the_verb_are_one_line(tmp_path: Path) -> None:
    for card, code, words in (
        ("pmc_vqa", 66, "lingshu data fetch pmc_vqa"),
        ("package_pydicom", 78, "holds labelled pictures and no rows"),
        ("pmc_vqua", 78, "unknown data card 'pmc_vqua'"),
    ):
        done = lingshu("data", "prepare", card, cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
        assert words in done.stderr
