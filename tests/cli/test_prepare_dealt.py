"""`lingshu data prepare --executor`: who does the work changes no byte, and options that say nothing are refused."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import dealt_jobs
import pytest

from lingshu_train import cli
from lingshu_train.data.corpus import outcomes, shared
from lingshu_train.data.corpus.writer import Writer
from lingshu_train.errors import RunAgain
from lingshu_train.executors import jobs
from lingshu_train.executors.jobs import Share
from lingshu_train.runs.cluster import Cluster


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dealt_jobs.write_card(tmp_path_factory.mktemp("card"), rows=120)


def prepare(root: Path, out: Path, *options: str) -> int:
    data = ["--data-root", str(root / "data"), "--out", str(out), "--workers", "1"]
    return cli.main(["data", "prepare", "pmc_vqa", "--split", "train", "--part", *data, *options])


@pytest.fixture(scope="module")
def alone(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `--executor local` leaves."""
    out = tmp_path_factory.mktemp("alone") / "corpus"
    assert prepare(root, out) == 0
    return dealt_jobs.outputs(out)


@pytest.mark.parametrize("tasks", [1, 2, 64])
def test_any_number_of_tasks_with_kills_leaves_the_same_bytes(
    root: Path, alone: dict[str, str], tasks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Cluster] = []
    executor = dealt_jobs.Forked(random.Random(tasks), within=0.02, share=0.6)
    monkeypatch.setattr(shared, "CHUNKS", 1)
    monkeypatch.setattr(jobs, "_executor", lambda cluster: asked.append(cluster) or executor)
    options = ["--executor", "slurm", "--tasks", str(tasks), "--submit", "cores=2", "--submit", "partition=7"]
    codes = []
    while codes[-1:] != [0] and len(codes) < 60:
        codes.append(prepare(root, tmp_path / "corpus", *options))
    assert set(codes[:-1]) <= {75}
    assert dealt_jobs.outputs(tmp_path / "corpus") == alone
    assert executor.killed, "the case would show nothing"
    assert asked[0].submit.cores == 2 and asked[0].submit.partition == "7" and asked[0].tasks == tasks


class Inline:
    """An executor that does the jobs on the spot."""

    def run(self, share: Share, tasks: int, cluster: Cluster, logs: Path) -> Iterator[None]:
        share(None, 0, 1)
        yield


def test_what_tasks_have_done_stays_until_the_corpus_is_finished(
    root: Path, alone: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []

    def write(path: Path, made: object) -> None:
        done.append(int(path.stem))
        outcomes.write(path, made)

    def killed(*_: object, **options: object) -> None:
        raise RunAgain("killed before the last shard is committed")

    monkeypatch.setattr(shared, "CHUNKS", 1)
    monkeypatch.setattr(shared, "outcomes", SimpleNamespace(write=write, read=outcomes.read))
    monkeypatch.setattr(jobs, "_executor", lambda cluster: Inline())
    options, corpus = ["--executor", "slurm", "--tasks", "1"], tmp_path / "corpus"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Writer, "finish", killed)
        assert prepare(root, corpus, *options) == 75
    once = len(done)
    assert once and list(corpus.glob(".chunks-*"))
    with pytest.MonkeyPatch.context() as patch:
        # A kill behind the last shard: the folder goes when the finished corpus is asked for.
        patch.setattr(shared, "remove", killed)
        assert prepare(root, corpus, *options) == 75
    assert len(done) == once and list(corpus.glob(".chunks-*"))
    assert prepare(root, corpus, *options) == 0
    assert len(done) == once and dealt_jobs.outputs(corpus) == alone


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--executor", "slurn"], "--executor slurn: unknown; it is one of local, processes, slurm, ray"),
        (["--tasks", "3"], "--tasks: --executor local has no tasks"),
        (["--submit", "partition=cpu"], "--submit: --executor local has no tasks"),
        (["--executor", "slurm", "--submit", "cores"], "--submit cores: is KEY=VALUE"),
        (["--executor", "slurm", "--submit", "core=2"], "--submit: core: unknown key; nearest: cores"),
        (["--executor", "slurm", "--submit", "cores=x"], "--submit: cores: must be a whole number, got 'x'"),
        (["--executor", "slurm", "--submit", "options.qos="], None),
    ],
)
def test_options_that_say_nothing_are_refused_before_anything_is_read(
    options: list[str], says: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = prepare(tmp_path, tmp_path / "corpus", *options)
    said = capsys.readouterr().err
    # The last is right, and what is missing is the data.
    assert found == (64 if says else 66) and (says or "pmc_vqa") in said and said.count("\n") == 1
