"""Fixtures shared by the tests: one drawn corpus, one tiny base model, straight runs to compare with, a file server."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import families
import file_server
import followed
import hatching
import pytest
import small_run
import tiny
from layouts import Layout, once, stage_for
from urllib3.util import Retry

from lingshu_train import stopping
from lingshu_train.hub import patience
from lingshu_train.hub.sources import physionet
from lingshu_train.runs.stage import Stage

os.environ.setdefault("LINGSHU_KEY", "a-key-of-the-tests-that-signs-nothing-else")
"""No test makes a key in the home of whoever runs it."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell ignores Ctrl-C for what it starts in the background, and every process below would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


LONGEST = (
    *("test_slurm", "test_two_machines", "test_vllm", "test_drilling", "test_resume", "test_fuzz"),
    *("test_vllm_families", "test_divergence", "test_other_launchers", "test_modalities", "test_notebook"),
)
"""Files of one to five minutes, some of them with few tests, that wait much: other processes work meanwhile."""


def pytest_configure(config: pytest.Config) -> None:
    """Where tests run in processes of their own, this one runs none."""
    alone = hasattr(config, "workerinput") or not config.getoption("numprocesses", None)
    if alone and not config.option.collectonly:
        hatching.open_nursery()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest goes first, then the files with the most slow tests: what is left for the last minutes is short."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    longest = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (longest.get(item.path.stem, len(longest)), -slow[item.path]))


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that trains or runs a command in this very process leaves signals and our variables as they were: the next
    one's children inherit them."""
    for name, value in (("_asked", None), ("_act", None), ("_heeds", False)):
        monkeypatch.setattr(stopping, name, value)
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    with _variables_kept():
        yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True, scope="module")
def forgetful_module() -> Iterator[None]:
    """So do the fixtures of a module."""
    with _variables_kept():
        yield


@contextmanager
def _variables_kept() -> Iterator[None]:
    ours = _ours()
    yield
    for name in _ours():
        del os.environ[name]
    os.environ.update(ours)


def _ours() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("LINGSHU_")}


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder that all test processes of one pytest run have in common."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if hasattr(request.config, "workerinput") else own


@pytest.fixture(scope="session")
def base(shared: Path) -> Path:
    """A folder with finished stages: data, short (no reasoning), base (random weights), warm (knows the answer's form)."""
    return once(shared / "base", _base)


def _base(root: Path) -> None:
    tiny.draw_corpus(root / "data")
    tiny.draw_corpus(root / "short", reasoning=False)
    build = tiny.make_stage(
        root, "base", {"kind": "build", "corpus": "data"}, parents={"data": root / "data"}
    )
    assert tiny.run(build) == 0, (build.path / "log.txt").read_text()
    config = tiny.sft(data=[{"corpus": "short", "tasks": []}], steps=30, save_every=30)
    warm = tiny.make_stage(root, "warm", config, parents={"short": root / "short", "base": root / "base"})
    assert tiny.run(warm) == 0, (warm.path / "log.txt").read_text()


@pytest.fixture(scope="session")
def small(shared: Path) -> Path:
    """The undisturbed run of a small recipe on two processes, from `lingshu run`."""
    return once(shared / "small", small_run.straight) / small_run.STRAIGHT


@pytest.fixture(scope="session")
def straight(base: Path, shared: Path) -> Callable[[Layout], Stage]:
    """The uninterrupted run of a layout, done once and shared."""

    def run(layout: Layout) -> Stage:
        folder = shared / f"straight-{'-'.join(map(str, layout))}"
        stage = stage_for(base, folder, layout)

        def train(_: Path) -> None:
            assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()

        once(folder, train)
        return stage

    return run


@pytest.fixture(scope="session")
def followed_run(base: Path, shared: Path) -> Path:
    """A run of stages whose steps can be traced and replayed."""
    return once(shared / "followed", lambda root: followed.build(base, root))


@pytest.fixture(scope="module")
def plugins() -> Iterator[None]:
    """What tests/support/plugins adds is found as a user's own would be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINGSHU_PLUGINS", str(families.PLUGINS))
        yield


@pytest.fixture(scope="module", params=list(families.MODELS))
def kit(
    request: pytest.FixtureRequest, plugins: None, tmp_path_factory: pytest.TempPathFactory
) -> families.Kit:
    """Every test that asks for it runs with every family."""
    return families.make(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Downloads with no one's real account, and without pauses between tries."""
    monkeypatch.setattr(patience, "RETRY", Retry(total=2))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("NETRC", physionet.USER, physionet.PASSWORD, "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def web() -> Iterator[file_server.Files]:
    with file_server.serve() as running:
        yield running
